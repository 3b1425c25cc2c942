# SPDX-License-Identifier: Apache-2.0
"""Tasks that repeat.

given a task that succeeds
    it should be called again and again until the stop
given a task that fails, for any reason
    it should be called again, with longer and longer pauses, and never end the process
given a log that cannot be written
    a task that fails should be called again all the same
"""

import io
import threading
from pathlib import Path

import pytest

from oracle.process.logs import open_log
from oracle.process.loops import MAX_BACKOFF_SECONDS, Loop, max_backoff_seconds
from teetee.chain.errors import RpcUnavailable

SECONDS = 10.0


class Task:
    """Fails as planned; says when it was called `wanted` times."""

    def __init__(self, wanted: int, failure: Exception | None = None) -> None:
        self.calls = 0
        self.enough = threading.Event()
        self._wanted = wanted
        self._failure = failure

    def __call__(self) -> None:
        self.calls += 1
        if self.calls >= self._wanted:
            self.enough.set()
        if self._failure is not None:
            raise self._failure


def loop(task: Task, stop: threading.Event, seconds: float = 0.001) -> Loop:
    return Loop("test", task, seconds=seconds, stop=stop, log=open_log())


@pytest.mark.parametrize(
    "failure",
    [None, RpcUnavailable({"http://node.invalid": "no connection"}), ValueError("a fault")],
    ids=lambda failure: type(failure).__name__,
)
def test_start__task_succeeds_or_fails__calls_it_until_the_stop(failure: Exception | None) -> None:
    stop, task = threading.Event(), Task(4, failure)
    running = loop(task, stop)
    running.start()
    assert task.enough.wait(SECONDS)
    stop.set()
    running.join(SECONDS)
    assert not running._thread.is_alive()


def test_h13__task_fails_and_the_log_cannot_be_written__calls_it_again() -> None:
    stop, task = threading.Event(), Task(4, ValueError("a fault"))
    with Path("/dev/full").open("wb", buffering=0) as full:
        log = open_log(io.TextIOWrapper(full, encoding="utf-8", write_through=True))
        running = Loop("test", task, seconds=0.001, stop=stop, log=log)
        running.start()
        assert task.enough.wait(SECONDS)
        stop.set()
        running.join(SECONDS)
    open_log()


def test_run_once__task_fails_again_and_again__pauses_double_up_to_a_minute() -> None:
    running = loop(Task(1, ValueError("a fault")), threading.Event(), seconds=2.0)
    pauses, pause = [], 0.0
    for _ in range(7):
        pause = running._run_once(pause)
        pauses.append(pause)
    assert pauses == [
        4.0,
        8.0,
        16.0,
        32.0,
        MAX_BACKOFF_SECONDS,
        MAX_BACKOFF_SECONDS,
        MAX_BACKOFF_SECONDS,
    ]


@pytest.mark.parametrize("task", ["heads", "peers", "registry", "watch"])
@pytest.mark.parametrize(("margin", "longest"), [(15, 3.75), (6, 1.5), (600, 5.0)])
def test_max_backoff_seconds__view_of_the_chain__leaves_most_of_the_decline_margin(
    task: str, margin: float, longest: float
) -> None:
    assert max_backoff_seconds(task, margin) == longest
    assert max_backoff_seconds("prune", margin) == MAX_BACKOFF_SECONDS


def test_run_once__task_succeeds_after_failures__goes_back_to_its_rhythm() -> None:
    running = loop(Task(1), threading.Event(), seconds=2.0)
    assert running._run_once(32.0) == 2.0


def test_join__never_started__returns() -> None:
    loop(Task(1), threading.Event()).join(0.1)
