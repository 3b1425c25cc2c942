# SPDX-License-Identifier: Apache-2.0
"""After the answer: anybody's audit by the real command, the books of the escrow, the gas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from demo.cli import TeeTeeCommand
from demo.errors import OutputUnreadable
from demo.output.ledger import Ledger, read_ledger
from demo.wallets import Wallet
from teetee.chain.connection import Connection
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.token import Token
from teetee.chain.deployment import Deployment


@dataclass(frozen=True)
class Audit:
    """What is known afterwards. Amounts in wei."""

    verification: Mapping[str, Any]
    credits: Mapping[str, int]
    """What the escrow owes, by role."""
    held: int
    """What the escrow has."""
    ledger: Ledger = field(repr=False)

    @property
    def verified(self) -> bool:
        """By `teetee verify`."""
        return self.verification["verified"] is True

    @property
    def sums_up(self) -> bool:
        """By the events, payouts + fee + royalty + refund = deposit; by the escrow's state, what it
        has is what it owes.
        """
        parts = [self.amount(name) for name in ("fee", "royalty", "refund")]
        paid = sum(int(payout["amount"]) for payout in self.verification["payouts"])
        by_events = paid + sum(parts) == self.amount("deposit")
        return by_events and self.held == sum(self.credits.values())

    def amount(self, name: str) -> int:
        """One of the audit's amounts."""
        return int(self.verification[name])

    def as_json(self) -> dict[str, Any]:
        """For the report. Amounts are numbers: sums can be checked as they stand."""
        fields = ("shardId", "layers", "host", "signer", "quoteHash")
        return {
            "path": [{name: stage[name] for name in fields} for stage in self.verification["path"]],
            "gas": self.ledger.gas_by_step(),
            "deposit": self.amount("deposit"),
            "cost": self.amount("cost"),
            "payouts": [
                {**payout, "amount": int(payout["amount"])}
                for payout in self.verification["payouts"]
            ],
            "fee": self.amount("fee"),
            "royalty": self.amount("royalty"),
            "refund": self.amount("refund"),
            "sumsUp": self.sums_up,
            "verified": self.verified,
            "checks": list(self.verification["checks"]),
            "credits": dict(self.credits),
            "transactions": self.ledger.as_json(),
        }


def audit(
    command: TeeTeeCommand,
    connection: Connection,
    deployment: Deployment,
    wallets: Mapping[str, Wallet],
    request_id: int,
) -> Audit:
    """Raises `ProcessSilent`, `OutputUnreadable`, and the chain's errors."""
    said = command.attempt("verify", "verify", str(request_id))
    if not isinstance(said.value, dict) or "checks" not in said.value:
        raise OutputUnreadable("teetee verify", f"is no audit ({said.error or 'no error named'})")
    verification = dict(said.value)
    verification["verified"] = verification["verified"] is True and said.status == 0
    escrow = Escrow(connection, deployment)
    owed = {role: escrow.account_of(wallet.address).credit for role, wallet in wallets.items()}
    return Audit(
        verification=verification,
        credits={role: wei for role, wei in owed.items() if wei},
        held=Token(connection, deployment).balance_of(deployment.escrow),
        ledger=read_ledger(command.chain, deployment),
    )
