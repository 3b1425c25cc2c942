# SPDX-License-Identifier: Apache-2.0
"""Rechecks shards whose status would change. Finding out is free; only the recheck costs gas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from teetee.chain.contract_errors import ContractRejected
from teetee.chain.contracts.registry import Registry
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.protocol.identifiers import ShardId
from teetee.quotes.claims import QuoteClaims


@dataclass(frozen=True)
class RecheckOutcome:
    """The result for one shard."""

    shard_id: ShardId
    before: ShardStatus
    after: ShardStatus
    sent: ConfirmedTransaction | None = None
    """None if the status would not change, or the recheck failed."""
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Statuses by name."""
        return {
            "shardId": int(self.shard_id),
            "before": self.before.name,
            "after": self.after.name,
            "transaction": self.sent.transaction_hash if self.sent else None,
            "gasUsed": self.sent.gas_used if self.sent else None,
            "error": self.error,
        }


def enlisted_shards(registry: Registry) -> Iterator[Shard]:
    """All shards that have not left, paused ones included."""
    for number in range(1, registry.shard_count() + 1):
        try:
            shard = registry.shard(ShardId(number))
        except ContractRejected:
            continue
        if shard.status.is_enlisted:
            yield shard


def recheck_shards(registry: Registry, sender: TransactionSender) -> Iterator[RecheckOutcome]:
    """Recheck all shards that have not left; a failed recheck does not stop the others.

    Raises the chain's Retryable errors.
    """
    for shard in enlisted_shards(registry):
        yield recheck_shard(registry, sender, shard)


def recheck_shard(registry: Registry, sender: TransactionSender, shard: Shard) -> RecheckOutcome:
    """Recheck one shard; a contract's refusal is part of the outcome."""
    try:
        claims = registry.claims(shard)
        if registry.verifier.is_adapter:
            _refresh_adapter(registry, sender, shard, claims)
        after = registry.status_after_recheck(shard, claims)
        if after is shard.status:
            return RecheckOutcome(shard.shard_id, shard.status, after)
        sent = sender.send(registry.recheck(shard.shard_id, claims))
    except ContractRejected as rejected:
        return RecheckOutcome(shard.shard_id, shard.status, shard.status, error=str(rejected))
    return RecheckOutcome(shard.shard_id, shard.status, after, sent)


def _refresh_adapter(
    registry: Registry, sender: TransactionSender, shard: Shard, claims: QuoteClaims
) -> None:
    """An adapter rechecks by the status it stored last, so update that first if it has changed."""
    verifier = registry.verifier
    argument, pck_id = registry.quote_argument(shard)
    number = registry.policy(shard.model_id).minimum_evaluation_number
    try:
        current = verifier.current_status(argument, pck_id, number)
        if current is not verifier.last_status(claims, number):
            sender.send(verifier.update_status(argument, pck_id, number))
    except ContractRejected:
        # For example expired collateral: the stored status stays, and the recheck uses that.
        return
