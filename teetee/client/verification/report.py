# SPDX-License-Identifier: Apache-2.0
"""The outcome of a verification, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from teetee.client.verification.checklist import Check
from teetee.protocol.layers import LayerRange


@dataclass(frozen=True)
class PathStage:
    """One verified stage; `tcb_status` is empty if its quote was not accepted."""

    shard_id: int
    layers: LayerRange
    host: str
    signer: str
    quote_hash: bytes
    tcb_status: str
    payout: int

    def to_json(self) -> dict[str, Any]:
        """Bytes are hex with 0x."""
        return {
            "shardId": self.shard_id,
            "layers": [self.layers.first, self.layers.end],
            "host": self.host,
            "signer": self.signer,
            "quoteHash": "0x" + self.quote_hash.hex(),
            "tcbStatus": self.tcb_status,
        }


@dataclass(frozen=True)
class VerificationReport:
    """Every check and every amount of a request. Amounts in wei."""

    request_id: int
    status: str
    checks: tuple[Check, ...]
    path: tuple[PathStage, ...] = ()
    earlier_shards: tuple[int, ...] = ()
    """Of runs that broke, by the entry: they may have had hidden states of the request."""
    deposit: int = 0
    cost: int = 0
    fee: int = 0
    royalty: int = 0
    refund: int = 0
    penalty: int = 0
    transaction: str | None = None

    @property
    def verified(self) -> bool:
        """Whether there is at least one check and none failed."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The failed checks."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def sums_up(self) -> bool:
        """Whether payouts + fee + royalty + refund = deposit, exactly."""
        paid = sum(stage.payout for stage in self.path)
        return paid + self.fee + self.royalty + self.refund == self.deposit

    def to_json(self) -> dict[str, Any]:
        """Amounts are decimal strings of wei: they exceed JSON numbers in many languages."""
        return {
            "requestId": self.request_id,
            "verified": self.verified,
            "status": self.status,
            "checks": [
                {"name": check.name, "ok": check.ok, "detail": check.detail}
                for check in self.checks
            ],
            "path": [stage.to_json() for stage in self.path],
            "earlierShards": list(self.earlier_shards),
            "deposit": str(self.deposit),
            "cost": str(self.cost),
            "payouts": [
                {"shardId": stage.shard_id, "host": stage.host, "amount": str(stage.payout)}
                for stage in self.path
            ],
            "fee": str(self.fee),
            "royalty": str(self.royalty),
            "refund": str(self.refund),
            "penalty": str(self.penalty),
            "sumsUp": self.sums_up,
            "transaction": self.transaction,
        }
