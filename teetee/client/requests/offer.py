# SPDX-License-Identifier: Apache-2.0
"""The offer that a user accepts or not before paying: model, recipients, deposit, deadline.

`prepare_offer` reads the chain and sends nothing; `request_terms` computes deposit and deadline,
and `recipients` chooses the entries.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from teetee.chain.contracts.escrow import EscrowTerms
from teetee.chain.deployment import LOCAL_NETWORK
from teetee.chain.types.blocks import Block
from teetee.chain.types.models import Model
from teetee.chain.types.requests import Account
from teetee.chain.types.shards import Shard
from teetee.client.amounts import format_amount, round_amount
from teetee.client.contracts import Contracts
from teetee.client.errors import (
    AllowanceTooSmall,
    InsufficientTokens,
    ModelNotChosen,
    NoModel,
    ShardOfAnother,
)
from teetee.client.requests.checked_paths import CheckedPaths, find_checked_paths, named_shards
from teetee.client.requests.entry_info import SealingKeys
from teetee.client.requests.recipients import rank_recipients
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.requests.request_terms import (
    USUAL_TEMPLATE,
    RequestTerms,
    require_valid,
    terms_of,
    window_of,
)
from teetee.client.shard_listing import find_model, model_number
from teetee.client.verification.shard_check import OnShard, ShardCheck
from teetee.errors import NoEntryShard
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.path import Spread

Notify = Callable[[str], None]


def ignore_progress(_shard_id: int, _position: int, _count: int) -> None:
    """The default for progress."""


@dataclass(frozen=True)
class Offer:
    """Everything that is decided before the prompt is sealed. Amounts in wei."""

    spec: RequestSpec = field(repr=False)
    """If shards were left out, it names those that may compute."""
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
    sealing_keys: SealingKeys,
    *,
    on_warning: Notify,
    random_source: random.Random,
    on_shard: OnShard = ignore_progress,
) -> Offer:
    """Choose and check the shards, price the request, and check that `requester` can pay.

    Raises what `terms_of` raises, `ModelUnknown` and its like, `AllowanceTooSmall`,
    `ShardOfAnother`, `InsufficientTokens`, `TooFewEntries`, what `find_checked_paths` raises, and
    the chain's errors; and what `fetch_sealing_key` raises if no entry can be asked for the key to
    seal to.
    """
    basis = _read_basis(spec, contracts, requester)
    model, at = basis.model, basis.at
    require_valid(spec, model, basis.escrow)
    permitted = _permitted(basis, spec)
    paths = find_checked_paths(
        contracts, shard_check, model, basis.spread, permitted, at, on_warning, on_shard
    )
    ends_at = at.timestamp + window_of(spec, basis.escrow)
    ranked = rank_recipients(
        paths.shards, spec.recipients, deadline=ends_at, random_source=random_source
    )
    recipients = sealing_keys.choose_reachable(
        ranked, spec.recipients, on_warning, are_named=bool(spec.only_shards)
    )
    spec = _limited(spec, paths, recipients, basis)
    template = spec.template or sealing_keys.template_of(recipients, on_warning) or USUAL_TEMPLATE
    terms = terms_of(spec, model, basis.escrow, template)
    _require_funds(spec, terms, contracts, requester, basis)
    if not terms.caps.certain:
        on_warning(_describe_risk(terms, model.context_length))
    deadline = _chain_time(contracts, at) + terms.window_seconds
    return Offer(spec, terms, model, recipients, paths.tcb_statuses, basis.credit, at, deadline)


@dataclass(frozen=True)
class _Basis:
    """What a price depends on, read together at one block. Amounts in wei."""

    at: Block
    model: Model
    escrow: EscrowTerms
    spread: Spread
    shard_ids: Sequence[ShardId]
    """The model's active shards."""
    credit: int
    """The requester's, as far as it can pay."""
    balance: int
    """In tokens that are not credit."""
    free_tokens: int
    """LLM tokens that the requester may use today as the host of the spec's shard."""


def _read_basis(spec: RequestSpec, contracts: Contracts, requester: str) -> _Basis:
    """Raises `NoModel`, `ModelNotChosen`, `ModelUnknown`, and the chain's errors."""
    at = contracts.connection.head()
    model_id = ModelId(1)  # unless it is named, the only one
    if spec.model is not None:
        model_id = model_number(spec.model) or find_model(contracts, spec.model, at).model_id
    registry, escrow, batch = contracts.registry, contracts.escrow, contracts.connection.batch(at)
    count = registry.model_count_in(batch)
    model, policy = registry.model_in(batch, model_id), registry.policy_in(batch, model_id)
    first_ids, terms = registry.active_ids_in(batch, model_id), escrow.terms_in(batch)
    account = escrow.account_in(batch, requester)
    balance = contracts.token.balance_in(batch, requester)
    allowance = escrow.allowance_in(batch, requester, ShardId(spec.allowance_shard or 0))
    if spec.model is None and count() != 1:
        raise ModelNotChosen(count()) if count() else NoModel
    return _Basis(
        at=at,
        model=model(),
        escrow=terms(),
        spread=policy().spread,
        shard_ids=registry.all_active_ids(model_id, first_ids(), at),
        credit=0 if spec.allowance_shard is not None else payable_credit(account()),
        balance=balance(),
        free_tokens=allowance().left,
    )


def _describe_risk(terms: RequestTerms, context_length: int) -> str:
    """What may happen to a prompt that is not certain to fit, and what avoids it."""
    caps, size = terms.caps, terms.prompt_bytes
    if caps.input_tokens + caps.output_tokens >= context_length:
        return (
            f"The prompt ({size:,} bytes) may not fit: the model's context has {context_length:,} "
            f"tokens, {caps.output_tokens:,} of them for the answer. If it does not, the entry "
            "declines, and the deposit is refunded. To be safe, shorten the prompt or lower "
            "--max-tokens."
        )
    return (
        f"The prompt ({size:,} bytes) may have more than {caps.input_tokens:,} tokens. If it does, "
        "the entry declines, and the deposit is refunded. To be safe, raise --max-input-tokens or "
        "leave it out."
    )


def payable_credit(account: Account) -> int:
    """The escrow never empties a credit: one wei stays."""
    return max(0, account.credit - 1)


def _chain_time(contracts: Contracts, at: Block) -> int:
    """Now, by the chain. A local chain may be idle; its next block has this machine's time."""
    if contracts.deployment.network != LOCAL_NETWORK:
        return at.timestamp
    return max(at.timestamp, int(time.time()))


def _permitted(basis: _Basis, spec: RequestSpec) -> list[ShardId]:
    """The active shards that the user permits. Raises `NoEntryShard`."""
    choice = spec.shard_choice()
    permitted = [shard_id for shard_id in basis.shard_ids if choice.permits(shard_id)]
    if not permitted:
        raise NoEntryShard(basis.model.model_id)
    return permitted


def _limited(
    spec: RequestSpec, paths: CheckedPaths, recipients: Sequence[Shard], basis: _Basis
) -> RequestSpec:
    """The spec, limited to the checked shards if others were left out: those must not compute."""
    if not paths.left_out:
        return spec
    names = named_shards(paths.shards, recipients, basis.model.layer_count, basis.spread)
    return replace(spec, only_shards=names)


def _require_funds(
    spec: RequestSpec, terms: RequestTerms, contracts: Contracts, requester: str, basis: _Basis
) -> None:
    """Raises `AllowanceTooSmall`, `ShardOfAnother`, `UnknownShard`, `InsufficientTokens`."""
    if spec.allowance_shard is not None:
        needed = terms.caps.input_tokens + terms.caps.output_tokens
        if needed > basis.free_tokens:
            host = contracts.registry.shard(ShardId(spec.allowance_shard), basis.at).host
            if host != requester:
                raise ShardOfAnother(spec.allowance_shard, host, requester)
            raise AllowanceTooSmall(spec.allowance_shard, needed, basis.free_tokens)
        return
    available = basis.balance + basis.credit
    if available < terms.deposit:
        raise InsufficientTokens(
            requester,
            format_amount(terms.deposit),
            round_amount(available, down=True),
            faucet=contracts.token.faucet_amount() > 0,
        )
