# SPDX-License-Identifier: Apache-2.0
"""Settlements that are ready together.

given one that is ready
    it should be posted alone, after the window
given several
    they should be posted together, as many as fit into a transaction
given a wrong one among several
    it should be rejected, and the others posted
given a chain that cannot be reached
    each should get the error, and may try again
given a process that stops
    settlements that are not being posted should stay in the journal
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import oracle.request.settling
from oracle.errors import Rejected, Stopped
from oracle.process.logs import open_log
from oracle.records import Answered
from oracle.request.settling import Settler
from teetee.chain.errors import RpcUnavailable
from teetee.chain.types.requests import DeclineReason
from teetee.protocol.identifiers import RequestId
from tests.oracle.workbench import answered


class FakeWriter:
    """Accepts batches; refuses those with an invalid request in them."""

    def __init__(self) -> None:
        self.posted: list[list[int]] = []
        self.wrong: set[int] = set()
        self.is_down = False

    def settle(self, answers: Sequence[Answered]) -> str:
        numbers = [int(one.request_id) for one in answers]
        if self.is_down:
            raise RpcUnavailable({"http://node.invalid": "no connection"})
        if self.wrong & set(numbers):
            raise Rejected(action="settle", reason="WrongSigner")
        self.posted.append(numbers)
        return f"0x{len(self.posted):064x}"

    def decline(self, request_id: RequestId, reason: DeclineReason) -> str:
        raise NotImplementedError

    def refund(self, request_id: RequestId) -> str:
        raise NotImplementedError


class Desk:
    """A settler whose loop the test runs by hand."""

    def __init__(self) -> None:
        self.writer = FakeWriter()
        self.abandon = threading.Event()
        self.settler = Settler(
            writer=self.writer, window=0.01, abandon=self.abandon, log=open_log()
        )
        self.results: dict[int, Any] = {}
        self._threads: list[threading.Thread] = []

    def bring(self, *numbers: int, size: int = 100) -> None:
        """Each in a thread of its own, as requests do; returns when all wait."""
        for number in numbers:
            ready = replace(answered(RequestId(number)), answer=bytes(size))
            self._threads.append(self._start(number, lambda one=ready: self.settler.settle(one)))  # type: ignore[misc]
        self._await_queue(len(numbers))

    def outcome(self) -> dict[int, Any]:
        """What each got."""
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        return self.results

    def _start(self, number: int, work: Callable[[], str]) -> threading.Thread:
        def run() -> None:
            try:
                self.results[number] = work()
            except (Exception, Stopped) as error:  # noqa: BLE001 - the test looks at it
                self.results[number] = error

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _await_queue(self, count: int) -> None:
        ticks = threading.Event()
        for _ in range(1_000):
            if self.settler._ready.qsize() >= count:
                return
            ticks.wait(0.01)
        pytest.fail("they do not come")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_run_once__nothing_is_ready__posts_nothing(desk: Desk) -> None:
    desk.settler.run_once()
    assert desk.writer.posted == []


def test_run_once__one_is_ready__posts_it_alone(desk: Desk) -> None:
    desk.bring(1)
    desk.settler.run_once()
    assert desk.outcome() == {1: f"0x{1:064x}"}
    assert desk.writer.posted == [[1]]


def test_run_once__several_are_ready__share_a_transaction(desk: Desk) -> None:
    desk.bring(1, 2, 3)
    desk.settler.run_once()
    assert desk.outcome() == dict.fromkeys((1, 2, 3), f"0x{1:064x}")
    assert [sorted(batch) for batch in desk.writer.posted] == [[1, 2, 3]]


def test_run_once__more_bytes_than_fit__posts_the_rest_next_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle.request.settling, "MAX_BATCH_BYTES", 250)
    desk.bring(1, 2, 3)
    desk.settler.run_once()
    desk.settler.run_once()
    assert desk.outcome().keys() == {1, 2, 3}
    assert [len(batch) for batch in desk.writer.posted] == [2, 1]


def test_run_once__one_answer_alone_is_larger__is_posted_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle.request.settling, "MAX_BATCH_BYTES", 50)
    desk.bring(1)
    desk.settler.run_once()
    assert desk.outcome() == {1: f"0x{1:064x}"}


def test_run_once__more_than_a_batch_holds__posts_the_rest_next_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle.request.settling, "MAX_BATCH_SIZE", 2)
    desk.bring(1, 2, 3)
    desk.settler.run_once()
    desk.settler.run_once()
    assert [len(batch) for batch in desk.writer.posted] == [2, 1]


def test_run_once__one_of_several_is_wrong__rejects_it_and_posts_the_others(desk: Desk) -> None:
    desk.writer.wrong = {2}
    desk.bring(1, 2, 3)
    desk.settler.run_once()
    results = desk.outcome()
    assert isinstance(results[2], Rejected)
    assert (results[2].action, results[2].reason) == ("settle", "WrongSigner")
    assert sorted(batch[0] for batch in desk.writer.posted) == [1, 3]


def test_run_once__chain_cannot_be_reached__each_gets_the_error_and_may_try_again(
    desk: Desk,
) -> None:
    desk.writer.is_down = True
    desk.bring(1, 2)
    desk.settler.run_once()
    assert all(isinstance(one, RpcUnavailable) for one in desk.outcome().values())
    desk.writer.is_down = False
    desk.bring(1)
    desk.settler.run_once()
    assert desk.outcome()[1] == f"0x{1:064x}"


def test_settle__process_lets_go_before_it_was_begun__is_left(desk: Desk) -> None:
    desk.bring(1)
    desk.abandon.set()
    assert isinstance(desk.outcome()[1], Stopped)
    desk.settler.run_once()
    assert desk.writer.posted == []
