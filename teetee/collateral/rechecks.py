# SPDX-License-Identifier: Apache-2.0
"""Rechecks shards whose status would change. Finding out is free; only the recheck costs gas.

What concerns one shard alone is part of its outcome and stops no other: its host may have enrolled
it in any way that the contract allows, and a node may say nonsense about it. The errors in
`OF_THE_WHOLE_CHAIN` end a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from teetee.chain.contract_errors import ContractRejected, UnknownShard
from teetee.chain.contracts.registry import Registry
from teetee.chain.errors import OF_THE_WHOLE_CHAIN
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.errors import TeeTeeError
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


Unreadable = tuple[ShardId, ShardStatus, TeeTeeError]
"""A shard's id, its status in contract state, and why it cannot be read."""


def _ignore(_: Unreadable) -> None:
    """The default."""


def enlisted_shards(
    registry: Registry, on_unreadable: Callable[[Unreadable], None] = _ignore
) -> Iterator[Shard]:
    """All shards that have not left, paused ones included, except those that cannot be read.

    Raises errors of the whole chain.
    """
    for number in range(1, registry.shard_count() + 1):
        shard_id = ShardId(number)
        try:
            shard = registry.shard(shard_id)
        except OF_THE_WHOLE_CHAIN:
            raise
        except UnknownShard:
            continue  # a reorganization removed it
        except TeeTeeError as error:
            with suppress(UnknownShard):
                if (status := registry.status(shard_id)).is_enlisted:
                    on_unreadable((shard_id, status, error))
            continue
        if shard.status.is_enlisted:
            yield shard


def recheck_shards(registry: Registry, sender: TransactionSender) -> Iterator[RecheckOutcome]:
    """Recheck all shards that have not left; one that cannot be rechecked does not stop the others.

    Raises errors of the whole chain.
    """
    unreadable: list[Unreadable] = []
    for shard in enlisted_shards(registry, unreadable.append):
        yield recheck_shard(registry, sender, shard)
    for shard_id, status, error in unreadable:
        yield RecheckOutcome(shard_id, status, status, error=str(error))


def recheck_shard(registry: Registry, sender: TransactionSender, shard: Shard) -> RecheckOutcome:
    """Recheck one shard; what concerns it alone, as a contract's refusal, is part of the outcome.

    Raises errors of the whole chain.
    """
    try:
        claims = registry.claims(shard)
        if registry.verifier.is_adapter:
            _refresh_adapter(registry, sender, shard, claims)
        after = registry.status_after_recheck(shard, claims)
        if after is shard.status:
            return RecheckOutcome(shard.shard_id, shard.status, after)
        sent = sender.send(registry.recheck(shard.shard_id, claims))
    except OF_THE_WHOLE_CHAIN:
        raise
    except TeeTeeError as error:
        return RecheckOutcome(shard.shard_id, shard.status, shard.status, error=str(error))
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
