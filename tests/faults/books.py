# SPDX-License-Identifier: Apache-2.0
"""The books: what must be true of every request once no fault is left.

1. Every request that the chain holds has exactly one end.
2. A settled one cost what its tokens cost, split without a rest; the deposit's rest came back.
3. A declined or expired one returned the whole deposit.
4. Its answer is the one of the run without faults; if its time ran out, that answer's beginning.
5. The escrow holds exactly what it owes: every payment was made once.
6. An end stays: the books of the whole run find what those of each batch found.
7. No bond lost anything to a request whose primary could act before the deadline, unless it had
   acted and a reorganisation took that back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress

from teetee.chain.contract_errors import UnknownRequest
from teetee.chain.types.requests import (
    RequestDeclined,
    RequestEnd,
    RequestOpened,
    RequestRefunded,
    RequestSettled,
)
from teetee.errors import TeeTeeError
from teetee.protocol.answer import Answer
from teetee.protocol.envelope import open_answer
from teetee.protocol.identifiers import ShardId
from tests.faults.ledger import Ledger, read_ledger
from tests.faults.outages import Outages
from tests.faults.pace import Pace
from tests.faults.requests import Asked
from tests.faults.result import Findings
from tests.faults.world import DECLINE_MARGIN_SECONDS, FaultWorld

PAGE = 2_000
HURRY_SECONDS = 15
"""How long before its last moment an entry may cut an answer: 2 s, and its longest gap thrice. This
and the next are of a quiet machine."""
REACTION_SECONDS = 3
"""From when an entry acts again until a block can include what it sends."""

_NEVER_OPENED = "never opened"


class Books:
    """Checks requests against the chain. `references`: the answer to each prompt."""

    def __init__(
        self, world: FaultWorld, outages: Outages, entries: Mapping[ShardId, str], pace: Pace
    ) -> None:
        self._world = world
        self._pace = pace
        self._outages = outages
        self._entries = entries
        self.references: dict[int, Answer] = {}
        self._known: list[Asked] = []
        self._ends_before: dict[bytes, str] = {}

    def has_open_requests(self) -> bool:
        """Whether any request of the world has not ended."""
        cursor = 0
        while True:
            open_ids, cursor = self._world.contracts.escrow.open_page(cursor, PAGE)
            if open_ids or not cursor:
                return bool(open_ids)

    def learn(self, asked: Iterable[Asked], first_block: int) -> None:
        """Keep the answers of the run without faults."""
        ledger = read_ledger(self._world, first_block)
        for one in asked:
            (opened,) = ledger.opened[one.context.client_nonce]
            (end,) = ledger.ends[opened.request_id]
            assert isinstance(end, RequestSettled), end
            self.references[one.prompt] = self._answer(one, end)

    def check(self, asked: Iterable[Asked], first_block: int) -> Findings:
        """All requests of `asked`."""
        findings, ledger = Findings(), read_ledger(self._world, first_block)
        asked = list(asked)
        self._known += asked
        for one in asked:
            end = self._check(one, ledger, findings)
            before = self._ends_before.setdefault(one.context.client_nonce, end)
            if end != before:
                findings.lost += 1
                findings.problems.append(f"a request of {one.wallet} was {before}, and is {end}")
        return findings

    def check_balance(self, findings: Findings) -> None:
        """The escrow's tokens against its debts. Nothing may be open."""
        world, contracts = self._world, self._world.contracts
        batch = contracts.connection.batch()
        reads = [
            contracts.escrow.account_in(batch, wallet.address) for wallet in world.wallets.values()
        ]
        owed = sum(read().credit for read in reads)
        balance = contracts.token.balance_of(world.deployment.escrow)
        if balance != owed:
            findings.problems.append(f"the escrow holds {balance} and owes {owed}")

    # -- one request ---------------------------------------------------------------------------

    def _check(self, asked: Asked, ledger: Ledger, findings: Findings) -> str:
        """Its end by name."""
        opened = ledger.opened.get(asked.context.client_nonce, [])
        if not opened:
            findings.ends[_NEVER_OPENED] += 1  # refused, or its time was over: nothing was paid
            return _NEVER_OPENED
        ends = ledger.ends.get(opened[0].request_id, [])
        name = f"request {opened[0].request_id} of {asked.wallet}"
        if not ends:
            findings.lost += 1
            findings.problems.append(f"{name} has no end: {self._state_of(opened[0])}")
        if len(opened) + len(ends) > 2:
            findings.doubled += 1
            findings.problems.append(f"{name}: opened {len(opened)} and ended {len(ends)} times")
        for end in ends[:1]:
            findings.ends[_name(end)] += 1
            problem = self._check_end(asked, opened[0], end, findings)
            if problem:
                findings.problems.append(f"{name}: {problem}")
        return _name(ends[0]) if ends else "open"

    def _state_of(self, opened: RequestOpened) -> str:
        chain = self._world.chain
        head = f"the head is {chain.block_number()} at {chain.now()}"
        where = f"opened in block {opened.block_number}, deadline {opened.deadline}"
        try:
            status = self._world.contracts.escrow.request_of(opened.request_id).status.name
        except UnknownRequest:
            receipt = chain.call("eth_getTransactionReceipt", opened.transaction_hash)
            found = receipt["blockNumber"] if receipt else "none"
            status = f"unknown to the escrow, block by its receipt {found}"
        return f"{status}, {where}, for {opened.recipients}; {head}"

    def _check_end(
        self, asked: Asked, opened: RequestOpened, end: RequestEnd, findings: Findings
    ) -> str:
        findings.refunds_made += end.refund
        match end:
            case RequestSettled():
                findings.refunds_due += opened.deposit - end.cost
                paid = sum(stage.amount for stage in end.stages) + end.fee + end.royalty
                if (end.cost + end.refund, paid) != (opened.deposit, end.cost):
                    return f"cost {end.cost}, paid {paid}, refund {end.refund}"
                if self._is_cut(asked, end):
                    findings.answers_cut += 1
                elif not self._is_right(asked, end):
                    findings.answers_changed += 1
                    return f"its answer differs: {self._source_of(asked, end)}"
            case RequestDeclined():
                findings.refunds_due += opened.deposit
            case RequestRefunded():
                findings.refunds_due += opened.deposit
                return self._check_penalty(asked, opened, end, findings)
        return "" if end.refund == opened.deposit or isinstance(end, RequestSettled) else "refund"

    def _check_penalty(
        self, asked: Asked, opened: RequestOpened, end: RequestRefunded, findings: Findings
    ) -> str:
        entry = self._entries[asked.primary]
        if end.penalty == 0:
            return ""
        margin = DECLINE_MARGIN_SECONDS + math.ceil(REACTION_SECONDS * self._pace.longest)
        is_undone = self._outages.has_undone(
            opened.request_id, opened.block_number, asked.deadline, margin
        )
        if is_undone or self._outages.excuses(entry, asked.deadline, margin):
            findings.excused += 1
            return ""
        findings.bonds_lost += 1
        return f"{entry} lost {end.penalty} of its bond, and could act before {asked.deadline}"

    def _source_of(self, asked: Asked, end: RequestSettled) -> str:
        """Whose answer it is instead."""
        for other in self._known:
            with suppress(TeeTeeError):
                found = open_answer(end.answer, other.secret, other.context, end.request_id)
                if other is asked:
                    reference = self.references[asked.prompt]
                    settled_at = self._world.contracts.connection.block(end.block_number).timestamp
                    left = asked.deadline - settled_at
                    return f"prompt {asked.prompt}, {_difference(reference, found)}, {left} s left"
                return f"it was made for another request of {other.wallet}"
        return "it was made for no request of this run"

    def _is_right(self, asked: Asked, end: RequestSettled) -> bool:
        try:
            answer = self._answer(asked, end)
        except TeeTeeError:
            return False
        reference = self.references[asked.prompt]
        return (
            answer.token_ids == reference.token_ids
            and answer.text == reference.text
            and answer.finish_reason == reference.finish_reason
            and (end.input_tokens, end.output_tokens)
            == (reference.input_tokens, reference.output_tokens)
        )

    def _is_cut(self, asked: Asked, end: RequestSettled) -> bool:
        """Whether its time ran out, and it is the beginning of the right answer."""
        try:
            answer = self._answer(asked, end)
        except TeeTeeError:
            return False
        reference, count = self.references[asked.prompt], len(answer.token_ids)
        settled_at = self._world.contracts.connection.block(end.block_number).timestamp
        hurry = DECLINE_MARGIN_SECONDS + HURRY_SECONDS * self._pace.longest
        return (
            answer.finish_reason == "length"
            and 0 < count < len(reference.token_ids)
            and answer.token_ids == reference.token_ids[:count]
            and reference.text.startswith(answer.text)
            and (end.input_tokens, end.output_tokens) == (reference.input_tokens, count)
            and settled_at >= asked.deadline - hurry
        )

    def _answer(self, asked: Asked, end: RequestSettled) -> Answer:
        return open_answer(end.answer, asked.secret, asked.context, end.request_id)


def _difference(reference: Answer, found: Answer) -> str:
    pairs = zip(reference.token_ids, found.token_ids, strict=False)
    first = next((place for place, (one, other) in enumerate(pairs) if one != other), -1)
    return (
        f"{len(found.token_ids)} tokens instead of {len(reference.token_ids)}, first difference"
        f" {first}, finish {found.finish_reason}, input {found.input_tokens}"
        f" instead of {reference.input_tokens}"
        f"{'' if found.token_ids == reference.token_ids[: len(found.token_ids)] else ', no prefix'}"
    )


def _name(end: RequestEnd) -> str:
    match end:
        case RequestSettled():
            return "settled"
        case RequestDeclined():
            return f"declined as {end.reason.name}"
        case RequestRefunded():
            return "refunded after the deadline"
