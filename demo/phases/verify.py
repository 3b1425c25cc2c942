# SPDX-License-Identifier: Apache-2.0
"""Verifies the answered request by `teetee verify`; reads the escrow's balance and the gas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from demo.cli import TeeTeeCommand
from demo.errors import OutputUnreadable
from demo.phases.ledger import Ledger, read_ledger
from demo.wallets import Wallet
from teetee.chain.connection import Connection
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.token import Token
from teetee.chain.deployment import Deployment

STAGE_FIELDS = ("shardId", "layers", "host", "signer", "quoteHash")


@dataclass(frozen=True)
class Verification:
    """`teetee verify`'s report, and the chain's state afterwards. Amounts in wei."""

    report: Mapping[str, Any]
    """The command's JSON."""
    credits: Mapping[str, int]
    """The escrow's debts, by role."""
    escrow_balance: int
    ledger: Ledger = field(repr=False)

    @property
    def verified(self) -> bool:
        """The result of `teetee verify`."""
        return self.report["verified"] is True

    @property
    def sums_up(self) -> bool:
        """By the events, payouts + fee + royalty + refund = deposit; by the escrow's state, its
        balance covers exactly its debts.
        """
        parts = [self.amount(name) for name in ("fee", "royalty", "refund")]
        paid = sum(int(payout["amount"]) for payout in self.report["payouts"])
        by_events = paid + sum(parts) == self.amount("deposit")
        return by_events and self.escrow_balance == sum(self.credits.values())

    def amount(self, name: str) -> int:
        """One of the report's amounts."""
        return int(self.report[name])

    def as_json(self) -> dict[str, Any]:
        """For the demo's report. Amounts are numbers, so that sums can be checked directly."""
        return {
            "path": [{name: stage[name] for name in STAGE_FIELDS} for stage in self.report["path"]],
            "gas": self.ledger.gas_by_step(),
            "deposit": self.amount("deposit"),
            "cost": self.amount("cost"),
            "payouts": [
                {**payout, "amount": int(payout["amount"])} for payout in self.report["payouts"]
            ],
            "fee": self.amount("fee"),
            "royalty": self.amount("royalty"),
            "refund": self.amount("refund"),
            "sumsUp": self.sums_up,
            "verified": self.verified,
            "checks": list(self.report["checks"]),
            "credits": dict(self.credits),
            "transactions": self.ledger.as_json(),
        }


def verify(
    command: TeeTeeCommand,
    connection: Connection,
    deployment: Deployment,
    wallets: Mapping[str, Wallet],
    request_id: int,
) -> Verification:
    """Raises `ProcessSilent`, `OutputUnreadable`, and the chain's errors."""
    result = command.attempt("verify", "verify", str(request_id))
    if not isinstance(result.value, dict) or "checks" not in result.value:
        raise OutputUnreadable("teetee verify", f"is not a report ({result.error or 'no error'})")
    report = dict(result.value)
    report["verified"] = report["verified"] is True and result.status == 0
    escrow = Escrow(connection, deployment)
    owed = {role: escrow.account_of(wallet.address).credit for role, wallet in wallets.items()}
    return Verification(
        report=report,
        credits={role: wei for role, wei in owed.items() if wei},
        escrow_balance=Token(connection, deployment).balance_of(deployment.escrow),
        ledger=read_ledger(command.chain, deployment),
    )
