# SPDX-License-Identifier: Apache-2.0
"""The offer that a user accepts or not before paying: model, recipients, deposit, deadline.

`prepare_offer` reads the chain and sends nothing; `request_terms` computes deposit and deadline,
and `recipients` chooses the entries.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from teetee.chain.deployment import LOCAL_NETWORK
from teetee.chain.types.blocks import Block
from teetee.chain.types.models import Model
from teetee.chain.types.shards import Shard
from teetee.client.amounts import format_amount, round_amount
from teetee.client.contracts import Contracts
from teetee.client.errors import AllowanceTooSmall, InsufficientTokens
from teetee.client.requests.recipients import choose_recipients, spread_recipients
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.requests.request_terms import RequestTerms, terms_of
from teetee.client.serving_paths import shards_on_paths
from teetee.client.shard_listing import find_model
from teetee.client.verification.shard_check import ShardCheck
from teetee.errors import NoEntryShard
from teetee.protocol.identifiers import ShardId

Notify = Callable[[str], None]
OnShard = Callable[[int, int, int], None]
"""Called before a shard is checked, with its id, its position from 1, and the number of shards."""


def ignore_progress(_shard_id: int, _position: int, _count: int) -> None:
    """The default for progress."""


@dataclass(frozen=True)
class Offer:
    """Everything that is decided before the prompt is sealed. Amounts in wei."""

    spec: RequestSpec = field(repr=False)
    terms: RequestTerms
    model: Model
    recipients: tuple[Shard, ...]
    tcb_statuses: dict[int, str]
    """By shard id, of every shard on a path; empty where no quote was checked."""
    credit: int
    """The part of the requester's credit that can pay; it pays first."""
    at: Block
    """The block of all reads."""
    deadline: int
    """Unix seconds of chain time."""


def prepare_offer(
    spec: RequestSpec,
    contracts: Contracts,
    requester: str,
    shard_check: ShardCheck,
    *,
    on_warning: Notify,
    random_source: random.Random,
    on_shard: OnShard = ignore_progress,
) -> Offer:
    """Choose and check the shards, price the request, and check that `requester` can pay.

    Raises what `terms_of` raises, `ModelUnknown` and its like, `AllowanceTooSmall`,
    `InsufficientTokens`, `NoEntryShard`, `PathIncomplete`, `SpreadUnmet`, `TooFewEntries`,
    `ShardRefused`, `ShardUncheckable`, and the chain's errors.
    """
    at = contracts.connection.head()
    model = find_model(contracts, spec.model, at)
    terms = terms_of(spec, model, contracts.escrow.terms())
    if not terms.caps.certain:
        on_warning(
            "The prompt may have more tokens than are paid for; if it does, the entry declines."
        )
    credit = _require_funds(spec, terms, contracts, requester, at)
    deadline = _chain_time(contracts, at) + terms.window_seconds
    on_paths = _serving_shards(contracts, model, at)
    statuses = {}
    for position, shard in enumerate(on_paths, start=1):
        on_shard(int(shard.shard_id), position, len(on_paths))
        statuses[int(shard.shard_id)] = shard_check.require_fit(shard, model, at)
    spread = contracts.registry.policy(model.model_id, at).spread
    recipients = choose_recipients(
        spread_recipients(on_paths, model.layer_count, spread),
        spec.recipients,
        deadline=deadline,
        random_source=random_source,
    )
    return Offer(spec, terms, model, recipients, statuses, credit, at, deadline)


def _chain_time(contracts: Contracts, at: Block) -> int:
    """Now, by the chain. A local chain may be idle; its next block has this machine's time."""
    if contracts.deployment.network != LOCAL_NETWORK:
        return at.timestamp
    return max(at.timestamp, int(time.time()))


def _serving_shards(contracts: Contracts, model: Model, at: Block) -> tuple[Shard, ...]:
    active = contracts.registry.active_shards(model.model_id, at)
    if not active:
        raise NoEntryShard(model.model_id)
    return shards_on_paths(active, model.layer_count)


def _require_funds(
    spec: RequestSpec, terms: RequestTerms, contracts: Contracts, requester: str, at: Block
) -> int:
    """Return the credit that can pay. Raises `AllowanceTooSmall`, `InsufficientTokens`."""
    if spec.allowance_shard is not None:
        shard_id = ShardId(spec.allowance_shard)
        available = contracts.escrow.allowance_of(requester, shard_id, at).left
        needed = terms.caps.input_tokens + terms.caps.output_tokens
        if needed > available:
            raise AllowanceTooSmall(shard_id, needed, available)
        return 0
    # The escrow never empties a credit: one wei stays.
    credit = max(0, contracts.escrow.account_of(requester, at).credit - 1)
    balance = contracts.token.balance_of(requester, at)
    if balance + credit < terms.deposit:
        raise InsufficientTokens(
            requester,
            format_amount(terms.deposit),
            round_amount(balance + credit, down=True),
            faucet=contracts.token.faucet_amount() > 0,
        )
    return credit
