# SPDX-License-Identifier: Apache-2.0
"""From a question to an offer: which model, which entries, how much, until when. Reads the chain,
sends nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from teetee.chain.connection import Block
from teetee.chain.deployment import LOCAL_NETWORK
from teetee.chain.types.models import Model
from teetee.chain.types.shards import Shard
from teetee.client.amounts import format_amount
from teetee.client.contracts import Contracts
from teetee.client.errors import (
    AllowanceTooSmall,
    InsufficientTokens,
    ModelNotChosen,
    ModelUnknown,
    NoModel,
)
from teetee.client.requests import request_spec as questions
from teetee.client.requests.recipients import choose_recipients, shards_on_paths, spread_entries
from teetee.client.requests.request_spec import Caps, Question
from teetee.client.verification.shard_check import ShardCheck
from teetee.errors import NoEntryShard
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.prompt import Prompt

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Offer:
    """All that is decided before a prompt is sealed. Amounts in wei."""

    question: Question = field(repr=False)
    prompt: Prompt = field(repr=False)
    model: Model
    recipients: tuple[Shard, ...]
    tcb_statuses: dict[int, str]
    """By shard id, of every shard on a path; empty where no quote was judged."""
    caps: Caps
    deposit: int
    credit: int
    """What of the requester's credit with the escrow can pay; it pays first."""
    at: Block
    """The block of all reads."""
    deadline: int
    """Unix seconds of chain time."""


def find_model(contracts: Contracts, wanted: str | None, at: Block) -> Model:
    """By number or name; None: the only one. Raises `NoModel`, `ModelNotChosen`, `ModelUnknown`."""
    count = contracts.registry.model_count(at)
    if count == 0:
        raise NoModel
    if wanted is None and count > 1:
        raise ModelNotChosen(count)
    if wanted is None or (wanted.isascii() and wanted.isdecimal()):
        return contracts.registry.model(ModelId(int(wanted or 1)), at)
    for number in range(1, count + 1):
        model = contracts.registry.model(ModelId(number), at)
        if model.name == wanted:
            return model
    raise ModelUnknown(wanted)


class Offers:
    """Makes offers for one wallet."""

    def __init__(
        self,
        contracts: Contracts,
        check: ShardCheck,
        requester: str,
        chance: random.Random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._contracts = contracts
        self._check = check
        self._requester = requester
        self._chance = chance
        self._clock = clock

    def make(self, question: Question, notify: Notify) -> Offer:
        """Raises what is said at the parts below, `ShardRefused`, `ShardUncheckable`, and the
        chain's errors.
        """
        prompt = question.to_prompt()
        at = self._contracts.connection.head()
        model = find_model(self._contracts, question.model, at)
        caps = questions.choose_caps(question, prompt, model.context_length)
        if not caps.certain:
            notify("The prompt may be longer than what is paid for; if it is, the entry declines.")
        terms = self._contracts.escrow.terms()
        window = questions.choose_window(question, terms.min_window, terms.max_window)
        deposit = questions.choose_deposit(question, caps, model.input_price, model.output_price)
        credit = self._require_means(question, caps, deposit, at)
        deadline = self._now(at) + window
        recipients, statuses = self._recipients(question, model, at, deadline)
        return Offer(
            question=question,
            prompt=prompt,
            model=model,
            recipients=recipients,
            tcb_statuses=statuses,
            caps=caps,
            deposit=deposit,
            credit=credit,
            at=at,
            deadline=deadline,
        )

    def _now(self, at: Block) -> int:
        """Chain time; a local chain may stand still, and its next block is of this machine's."""
        if self._contracts.deployment.network != LOCAL_NETWORK:
            return at.timestamp
        return max(at.timestamp, int(self._clock()))

    def _recipients(
        self, question: Question, model: Model, at: Block, deadline: int
    ) -> tuple[tuple[Shard, ...], dict[int, str]]:
        active = self._contracts.registry.active_shards(model.model_id, at)
        if not active:
            raise NoEntryShard(model.model_id)
        on_paths = shards_on_paths(active, model.layer_count)
        statuses = {
            int(shard.shard_id): self._check.require_fit(shard, model, at) for shard in on_paths
        }
        recipients = choose_recipients(
            self._payable(on_paths, model, at),
            question.recipients,
            lasting_until=deadline,
            chance=self._chance,
        )
        return recipients, statuses

    def _payable(self, on_paths: Sequence[Shard], model: Model, at: Block) -> Sequence[Shard]:
        """Without entries whose every path lies in too few hands. Raises `SpreadUnmet`."""
        spread = self._contracts.registry.policy(model.model_id, at).spread
        return spread_entries(on_paths, model.layer_count, spread)

    def _require_means(self, question: Question, caps: Caps, deposit: int, at: Block) -> int:
        """The credit. Raises `AllowanceTooSmall`, `InsufficientTokens`."""
        contracts, address = self._contracts, self._requester
        if question.allowance_shard is not None:
            shard_id = ShardId(question.allowance_shard)
            left = contracts.escrow.allowance_of(address, shard_id, at).left
            needed = caps.input_tokens + caps.output_tokens
            if needed > left:
                raise AllowanceTooSmall(shard_id, needed, left)
            return 0
        # The escrow never empties a credit: one wei stays.
        credit = max(0, contracts.escrow.account_of(address, at).credit - 1)
        balance = contracts.token.balance_of(address, at)
        if balance + credit < deposit:
            raise InsufficientTokens(
                address,
                format_amount(deposit),
                format_amount(balance + credit),
                faucet=contracts.token.faucet_amount() > 0,
            )
        return credit
