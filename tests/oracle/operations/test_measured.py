# SPDX-License-Identifier: Apache-2.0
"""A request's life in numbers.

given an entry's requests
    they should be counted by how far the work on them is, their wait in the queue, and their end
given an answer
    its tokens and times should be counted when its run has ended, not before
given a decline or a failed attempt
    it should be counted by reason
given a path that breaks
    the shard that is blamed should be counted
given a request of any text and any number
    nothing of it should be in what is exposed
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import Stopped
from oracle.inference.errors import NoPath
from oracle.operations.measured import (
    MeasuredAnswerer,
    MeasuredRuntime,
    MeasuredWriter,
    RequestMeter,
    expose_requests,
)
from oracle.operations.metrics import Metrics
from oracle.process.logs import open_log
from oracle.records import Opening, Outcome, Refused
from shard_runtime import Generation, GenerationJob
from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import StageFailed
from teetee.chain.errors import RpcUnavailable
from teetee.chain.types.requests import DeclineReason
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.prompt import Sampling
from tests.oracle.fake_chain import FakeChain
from tests.oracle.inference.fake_runtime import FakeEntry
from tests.oracle.operations.test_metrics import value
from tests.oracle.workbench import Bench

CANARY = "canary_text of_coal_mine"
REQUEST = RequestId(987_654_321)


class Meter:
    """A meter whose clock the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.metrics = Metrics(open_log())
        self.meter = RequestMeter(self.metrics, clock=lambda: self.seconds)

    def value(self, name: str, **labels: str) -> float:
        return value(self.metrics, f"teetee_{name}", **labels) or 0.0


@pytest.fixture
def meter() -> Meter:
    return Meter()


def job(**changes: Any) -> GenerationJob:
    values: dict[str, Any] = {
        "token_ids": (1, 2, 3),
        "sampling": Sampling(max_tokens=5),
        "choose_path": lambda avoiding: [ShardId(1)],
        "request_id": REQUEST,
        "salt_of": lambda hop: bytes(32),
        "on_text": lambda piece: None,
        "on_failure": lambda error: None,
        "is_cancelled": lambda: False,
        "deadline": math.inf,
    }
    return GenerationJob(**(values | changes))


class SlowEntry(FakeEntry):
    """Takes 2 s to the first text, and 3 s more."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    def generate(self, job: GenerationJob) -> Generation:
        assert job.on_text is not None
        self._meter.seconds += 2
        job.on_text("a piece")
        self._meter.seconds += 3
        self.tokens_while_running = self._meter.value("tokens_total", kind="output")
        return super().generate(job)


def opening() -> Opening:
    chain = FakeChain()
    request_id = chain.open()
    found = chain.requests_by_id([request_id], at=chain.head())[request_id]
    (opened,) = chain.openings([found], first_block=0, at=chain.head())
    return opened


def test_generate__an_answer__its_times_and_tokens_are_counted_at_the_end(meter: Meter) -> None:
    entry = SlowEntry(meter)
    MeasuredRuntime(entry, meter.meter).generate(job())
    assert entry.tokens_while_running == 0
    assert meter.value("time_to_first_token_seconds_sum") == 2
    assert meter.value("tokens_total", kind="output") > 0
    assert meter.value("tokens_per_second_sum") == pytest.approx(
        meter.value("tokens_total", kind="output") / 5
    )


class Failing:
    """Raises, or returns, what it is given."""

    def __init__(self, result: Outcome | BaseException) -> None:
        self._result = result

    def screen(self, opening: Opening) -> Refused | None:
        return Refused(DeclineReason.UNREADABLE)

    def answer(
        self,
        opening: Opening,
        *,
        give_up: Callable[[], bool],
        seconds_left: Callable[[], float],
    ) -> Outcome:
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


@pytest.mark.parametrize("reason", DeclineReason, ids=lambda reason: reason.name)
def test_decline__several_at_once__are_counted_by_reason(
    meter: Meter, reason: DeclineReason
) -> None:
    chain = FakeChain()
    numbers = [chain.open(nonce=place.to_bytes(32)) for place in range(3)]
    MeasuredWriter(chain, meter.meter).decline(numbers, reason)
    assert meter.value("refusals_total", reason=reason.name.lower()) == 3


def test_decline__not_sent__is_not_counted(meter: Meter) -> None:
    chain = FakeChain()
    number = chain.open()
    chain.is_down = True
    with pytest.raises(RpcUnavailable):
        MeasuredWriter(chain, meter.meter).decline([number], DeclineReason.OVERLOADED)
    assert meter.value("refusals_total", reason="overloaded") == 0


def test_requests__one_runs_and_one_waits__are_counted_until_they_end(
    meter: Meter, tmp_path: Path
) -> None:
    chain = FakeChain()
    bench = Bench(tmp_path, chain, slots=1, observer=meter.meter)
    source = expose_requests(meter.metrics, bench.dispatcher, bench.journal)
    meter.metrics.set_source("requests", source)
    try:
        bench.answerer.may_answer.clear()
        numbers = [chain.open(nonce=place.to_bytes(32)) for place in range(2)]
        bench.until(
            lambda: (
                meter.value("requests_in_work", state="running") == 1
                and meter.value("requests_in_work", state="waiting") == 1
            ),
            "one runs and one waits",
        )
        assert meter.value("queue_seconds_count") == 1
        bench.answerer.may_answer.set()
        for number in numbers:
            bench.until_over(number)
        bench.until(
            lambda: meter.value("requests_ended_total", outcome="settled") == 2, "both ended"
        )
        assert meter.value("queue_seconds_count") == 2
        assert meter.value("requests_in_work", state="running") == 0
        assert meter.value("journal_failing") == 0
    finally:
        bench.end()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NoPath(model_id=1, layers=4), "no_path"),
        (RpcUnavailable({"http://node.invalid": "no connection"}), "retryable"),
        (ValueError(CANARY), "unexpected"),
    ],
    ids=["no path", "retryable", "unexpected"],
)
def test_answer__attempt_fails__is_counted_by_reason(
    meter: Meter, error: Exception, reason: str
) -> None:
    with pytest.raises(type(error)):
        MeasuredAnswerer(Failing(error), meter.meter).answer(
            opening(), give_up=lambda: False, seconds_left=lambda: 60.0
        )
    assert meter.value("answer_attempts_failed_total", reason=reason) == 1
    assert CANARY not in meter.metrics.expose().decode()


def test_answer__stopped__is_no_failure(meter: Meter) -> None:
    with pytest.raises(Stopped):
        MeasuredAnswerer(Failing(Stopped()), meter.meter).answer(
            opening(), give_up=lambda: False, seconds_left=lambda: 60.0
        )
    assert meter.value("answer_attempts_failed_total", reason="unexpected") == 0


def test_generate__a_path_breaks__blames_a_shard_and_tells_the_job(meter: Meter) -> None:
    reported: list[Exception] = []
    error = StageFailed(1, ShardId(2), AbortReason.LINK_LOST)

    class Breaking(FakeEntry):
        def generate(self, job: GenerationJob) -> Generation:
            assert job.on_failure is not None
            job.on_failure(error)
            return super().generate(job)

    MeasuredRuntime(Breaking(), meter.meter).generate(job(on_failure=reported.append))
    assert reported == [error]
    assert meter.value("path_failures_total", peer="2") == 1


def test_expose__after_a_whole_request__holds_nothing_of_it(meter: Meter) -> None:
    runtime = MeasuredRuntime(FakeEntry(), meter.meter)
    tokens = runtime.encode([{"role": "user", "content": CANARY}])
    runtime.check(tokens)
    runtime.generate(job(token_ids=tokens))
    text = meter.metrics.expose().decode()
    for secret in (*CANARY.split(), str(REQUEST), hex(REQUEST), "sings"):
        assert secret not in text
