# SPDX-License-Identifier: Apache-2.0
"""Endings that are ready together.

given one that is ready
    it should be posted alone, after the window
given several
    they should be posted together, as many as fit into a transaction
given a wrong one among several
    it should be rejected, and the others posted, none after another's confirmation
given a batch that is not confirmed yet
    others should be posted all the same, up to a number in flight
given declines for different reasons
    each reason should have its transaction
given a chain that cannot be reached
    each should get the error, and may try again
given a process that stops
    nothing more should be sent, and each should be handed back
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import oracle.request.endings
from oracle.chain.heads import Heads
from oracle.errors import Rejected
from oracle.inference.errors import InferenceStopped
from oracle.process.logs import open_log
from oracle.records import Answered
from oracle.request.endings import (
    AnswerEnding,
    DeclineEnding,
    DeclineTooLate,
    Ending,
    Endings,
    RefundEnding,
    RequestReplaced,
    choose_declines,
)
from teetee.chain.errors import RpcUnavailable
from teetee.chain.types.requests import DeclineReason
from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import RequestId
from tests.oracle.fake_chain import CHAIN_ID, FakeChain
from tests.oracle.workbench import answered


class FakeWriter:
    """Accepts batches; refuses those with an invalid request in them, and confirms none that holds
    an unconfirmed one before `may_confirm` is set.
    """

    def __init__(self) -> None:
        self.unconfirmed: set[int] = set()
        self.may_confirm = threading.Event()
        self.posted: list[list[int]] = []
        self.wrong: set[int] = set()
        self.is_down = False

    def settle(self, answers: Sequence[Answered]) -> str:
        return self._post([int(one.request_id) for one in answers])

    def decline(self, request_ids: Sequence[RequestId], reason: DeclineReason) -> str:
        return self._post([int(number) for number in request_ids])

    def refund(self, request_id: RequestId) -> str:
        return self._post([int(request_id)])

    def _post(self, numbers: list[int]) -> str:
        if self.is_down:
            raise RpcUnavailable({"http://node.invalid": "no connection"})
        if self.wrong & set(numbers):
            raise Rejected(action="settle", reason="WrongSigner")
        self.posted.append(numbers)
        if self.unconfirmed & set(numbers):
            assert self.may_confirm.wait(10)
        return f"0x{len(self.posted):064x}"


class Desk:
    """Endings whose loops the test runs by hand."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.writer = FakeWriter()
        self.abandon = threading.Event()
        heads = Heads(blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=time.monotonic)
        for place in range(3):
            self.chain.open(nonce=place.to_bytes(32))
        heads.poll()
        self.results: dict[int, Any] = {}
        self.endings = Endings(
            reader=self.chain,
            writer=self.writer,
            heads=heads,
            done=self._note,
            window=0.01,
            abandon=self.abandon,
            log=open_log(),
        )

    def bring(self, *numbers: int, size: int = 100) -> None:
        """Answers of that many bytes."""
        for number in numbers:
            opening = self.chain._versions[-1].openings[RequestId(number)]
            ready = replace(answered(RequestId(number)), answer=bytes(size))
            self.endings.submit(AnswerEnding(opening, ready))

    def run_once(self, task: str = "settle") -> None:
        self.endings.tasks()[f"{task}-0"]()

    def _note(self, ending: Ending, result: object) -> None:
        self.results[int(ending.request_id)] = result


def decline(
    number: int,
    reason: DeclineReason = DeclineReason.OVERLOADED,
    *,
    deadline: int = 5_000,
    is_primary: bool = True,
) -> DeclineEnding:
    return DeclineEnding(RequestId(number), reason, deadline, is_primary)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_run_once__nothing_is_ready__posts_nothing(desk: Desk) -> None:
    for run_once in desk.endings.tasks().values():
        run_once()
    assert desk.writer.posted == []


def test_run_once__one_is_ready__posts_it_alone(desk: Desk) -> None:
    desk.bring(1)
    desk.run_once()
    assert desk.results == {1: f"0x{1:064x}"}
    assert desk.writer.posted == [[1]]


def test_run_once__several_are_ready__share_a_transaction(desk: Desk) -> None:
    desk.bring(1, 2, 3)
    desk.run_once()
    assert desk.results == dict.fromkeys((1, 2, 3), f"0x{1:064x}")
    assert desk.writer.posted == [[1, 2, 3]]


def test_run_once__more_bytes_than_fit__posts_the_rest_next_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle.request.endings, "MAX_BATCH_BYTES", 250)
    desk.bring(1, 2, 3)
    desk.run_once()
    desk.run_once()
    assert desk.writer.posted == [[1, 2], [3]]


def test_run_once__one_answer_alone_is_larger__is_posted_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle.request.endings, "MAX_BATCH_BYTES", 50)
    desk.bring(1)
    desk.run_once()
    assert desk.results == {1: f"0x{1:064x}"}


def test_run_once__more_than_a_batch_holds__posts_the_rest_next_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle.request.endings, "MAX_SETTLEMENTS", 2)
    desk.bring(1, 2, 3)
    desk.run_once()
    desk.run_once()
    assert desk.writer.posted == [[1, 2], [3]]


def test_run_once__one_of_several_is_wrong__rejects_it_and_posts_the_others(desk: Desk) -> None:
    desk.writer.wrong = {2}
    desk.bring(1, 2, 3)
    for _ in range(5):
        desk.run_once()
    assert isinstance(desk.results[2], Rejected)
    assert desk.results[2].reason == "WrongSigner"
    assert desk.writer.posted == [[1], [3]]


def test_c2__one_decline_of_a_hundred_is_too_late__costs_few_transactions(desk: Desk) -> None:
    desk.writer.wrong = {77}
    for number in range(1, 101):
        desk.endings.submit(decline(number))
    while len(desk.results) < 100:
        desk.run_once("decline")
    assert isinstance(desk.results.pop(77), Rejected)
    assert len(desk.results) == 99
    assert all(isinstance(result, str) for result in desk.results.values())
    assert len(desk.writer.posted) <= 7


def test_run_once__number_belongs_to_another_request_now__is_not_posted(desk: Desk) -> None:
    desk.bring(2)
    desk.chain.reorganise(3)
    del desk.chain._versions[-3:]
    for place in range(3):
        desk.chain.open(nonce=(9 + place).to_bytes(32))
    desk.endings._heads.poll()
    desk.run_once()
    assert isinstance(desk.results[2], RequestReplaced)
    assert desk.writer.posted == []


def test_run_once__chain_cannot_be_reached__each_gets_the_error_and_may_try_again(
    desk: Desk,
) -> None:
    desk.writer.is_down = True
    desk.bring(1, 2)
    desk.run_once()
    assert all(isinstance(one, RpcUnavailable) for one in desk.results.values())
    desk.writer.is_down = False
    desk.bring(1)
    desk.run_once()
    assert desk.results[1] == f"0x{1:064x}"


def test_run_once__declines_for_two_reasons__one_transaction_each(desk: Desk) -> None:
    for number in range(1, 203):
        desk.endings.submit(decline(number))
    desk.endings.submit(decline(203, DeclineReason.INVALID))
    for _ in range(3):
        desk.run_once("decline")
    assert desk.writer.posted == [list(range(1, 201)), [201, 202], [203]]


def test_run_once__refunds__are_posted_one_by_one(desk: Desk) -> None:
    for number in (1, 2):
        desk.endings.submit(RefundEnding(RequestId(number)))
    desk.run_once("refund")
    desk.run_once("refund")
    assert desk.writer.posted == [[1], [2]]


def test_run_once__process_stops__sends_nothing_and_hands_it_back(desk: Desk) -> None:
    desk.bring(1)
    desk.abandon.set()
    desk.run_once()
    assert isinstance(desk.results[1], InferenceStopped)
    assert desk.writer.posted == []


def test_m6__a_batch_is_not_confirmed__others_do_not_wait_for_it(desk: Desk) -> None:
    desk.writer.unconfirmed = {1}
    first, second, *_ = [
        run_once for task, run_once in desk.endings.tasks().items() if task.startswith("settle")
    ]
    desk.bring(1)
    waiting = threading.Thread(target=first)
    waiting.start()
    while not desk.writer.posted:
        waiting.join(0.01)
    desk.bring(2)
    second()
    assert desk.results.keys() == {2}
    desk.writer.may_confirm.set()
    waiting.join(10)
    assert desk.results.keys() == {1, 2}


def test_m6__a_batch_with_an_invalid_one_is_split__none_waits_for_another(desk: Desk) -> None:
    desk.writer.wrong, desk.writer.unconfirmed = {2}, {1}
    desk.bring(1, 2, 3)
    desk.run_once()
    waiting = threading.Thread(target=desk.run_once)
    waiting.start()
    while not desk.writer.posted:
        waiting.join(0.01)
    for _ in range(3):
        desk.run_once()
    assert isinstance(desk.results[2], Rejected)
    assert desk.writer.posted == [[1], [3]]
    assert desk.results.keys() == {2, 3}
    desk.writer.may_confirm.set()
    waiting.join(10)


def test_m6__all_kinds_together__stay_within_what_nodes_keep_of_an_account(desk: Desk) -> None:
    assert 3 < len(desk.endings.tasks()) < 16


def test_a1__one_may_be_late__is_left_out_of_the_batch_of_the_others() -> None:
    late, *others = (decline(number, deadline=1_100 if number else 1_003) for number in range(5))
    assert choose_declines([*others, late], now=1_000) == [late]
    assert choose_declines(others, now=1_000) == others
    together = [decline(number, deadline=1_003) for number in range(5)]
    assert choose_declines(together, now=1_000) == together, "all are in time, or none"


def test_a1__reasons_alternate__most_urgent_and_its_like_go_first() -> None:
    reasons = (DeclineReason.UNREADABLE, DeclineReason.OVERLOADED)
    ready = [decline(number, reasons[number % 2], deadline=2_000 - number) for number in range(9)]
    chosen = choose_declines(ready, now=1_000)
    assert [int(one.request_id) for one in chosen] == [8, 6, 4, 2, 0]


def test_a1__its_bond_does_not_answer__comes_after_those_for_which_it_does() -> None:
    other, own = decline(1, deadline=1_010, is_primary=False), decline(2, deadline=1_900)
    assert choose_declines([other, own], now=1_000)[0] == own


def test_a1__deadline_has_passed__is_not_sent(desk: Desk) -> None:
    desk.endings.submit(decline(1, deadline=5))
    desk.run_once("decline")
    assert isinstance(desk.results[1], DeclineTooLate)
    assert desk.writer.posted == []


def test_a11__one_answer_cannot_even_be_encoded__others_are_posted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(answers: Sequence[Answered]) -> str:
        if any(one.request_id == 2 for one in answers):
            raise FieldInvalid("input_tokens", "is too large")
        return desk.writer._post([int(one.request_id) for one in answers])

    monkeypatch.setattr(desk.writer, "settle", settle)
    desk.bring(1, 2, 3)
    for _ in range(5):
        desk.run_once()
    assert isinstance(desk.results[2], FieldInvalid)
    assert desk.writer.posted == [[1], [3]]


def test_a14__one_of_a_batch_was_replaced__others_are_posted(desk: Desk) -> None:
    desk.bring(1, 2, 3)
    desk.chain.reorganise(1)
    del desk.chain._versions[-2:]
    desk.chain.open(nonce=(9).to_bytes(32))
    desk.endings._heads.poll()
    for _ in range(5):
        desk.run_once()
    assert isinstance(desk.results[3], RequestReplaced)
    assert sorted(number for batch in desk.writer.posted for number in batch) == [1, 2]
