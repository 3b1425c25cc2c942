# SPDX-License-Identifier: Apache-2.0
"""Has shards judged anew, where that changes anything: a look costs nothing, a transaction does."""

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
    """What became of one shard."""

    shard_id: ShardId
    before: ShardStatus
    after: ShardStatus
    sent: ConfirmedTransaction | None = None
    """None: nothing would have changed, or it could not be done."""
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
    """Those which have not left, paused ones too."""
    for number in range(1, registry.shard_count() + 1):
        try:
            shard = registry.shard(ShardId(number))
        except ContractRejected:
            continue
        if shard.status.is_enlisted:
            yield shard


def recheck_shards(registry: Registry, sender: TransactionSender) -> Iterator[RecheckOutcome]:
    """All that have not left. One that cannot be rechecked does not keep the others from it.

    Raises the chain's Retryable errors.
    """
    for shard in enlisted_shards(registry):
        yield recheck_shard(registry, sender, shard)


def recheck_shard(registry: Registry, sender: TransactionSender, shard: Shard) -> RecheckOutcome:
    """One shard; a contract's refusal is part of the outcome."""
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
    """An adapter repeats what it was told last: where that has changed, it is told first."""
    verifier = registry.verifier
    argument, pck_id = registry.quote_argument(shard)
    number = registry.policy(shard.model_id).minimum_evaluation_number
    try:
        current = verifier.current_status(argument, pck_id, number)
        if current is not verifier.last_status(claims, number):
            sender.send(verifier.update_status(argument, pck_id, number))
    except ContractRejected:
        # Stale collateral and the like: no news. There may be other reasons to put the shard out.
        return
