# SPDX-License-Identifier: Apache-2.0
"""What `/health` says.

given a process that starts
    it should be live, not ready, and say so
given one that has started
    when nothing is wrong
        it should be ready
    when a check has a reason
        it should not be ready, and be live unless a task hangs or the listener is deaf
    when a check fails
        it should not look healthy
    when it was asked to stop
        it should be draining and not ready at once
"""

from collections.abc import Iterator

import pytest

from oracle.operations.health import Health
from oracle.operations.metrics import Metrics
from oracle.operations.task_watch import STUCK_SECONDS, TaskWatch
from oracle.process.logs import open_log
from teetee.chain.errors import RpcUnavailable
from tests.oracle.operations.test_metrics import value


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(open_log())


@pytest.fixture
def health(metrics: Metrics) -> Health:
    """Of a process that has started."""
    health = Health(metrics)
    health.start_up_ended()
    return health


def test_report__process_starts__is_live_and_not_ready(metrics: Metrics) -> None:
    report = Health(metrics).report()
    assert report.to_json() == {
        "live": True,
        "ready": False,
        "draining": False,
        "notReady": ["starting"],
        "shardId": None,
    }


def test_report__nothing_is_wrong__is_ready(health: Health) -> None:
    health.shard_id = 3
    report = health.report()
    assert (report.ready, report.not_ready, report.to_json()["shardId"]) == (True, (), 3)


@pytest.mark.parametrize(
    ("reason", "live"),
    [
        ("not_enrolled", True),
        ("quote_expired", True),
        ("head_stale", True),
        ("no_path", True),
        ("no_ether", True),
        ("task_stuck", False),
        ("not_listening", False),
    ],
)
def test_report__a_check_has_a_reason__is_not_ready_and_says_why(
    health: Health, metrics: Metrics, reason: str, live: bool
) -> None:
    health.set_check("one", lambda: [reason])
    report = health.report()
    assert (report.live, report.ready, report.not_ready) == (live, False, (reason,))
    assert value(metrics, "teetee_not_ready", reason=reason) == 1
    assert value(metrics, "teetee_ready") == 0
    assert value(metrics, "teetee_live") == int(live)
    health.remove_check("one")
    assert health.report().ready
    assert value(metrics, "teetee_not_ready", reason=reason) == 0


def test_report__a_check_fails__does_not_look_healthy(health: Health) -> None:
    def fail() -> Iterator[str]:
        raise RuntimeError

    health.set_check("one", fail)
    assert (health.report().live, health.report().ready) == (False, False)


def test_report__asked_to_stop__is_draining_at_once(health: Health, metrics: Metrics) -> None:
    health.drain()
    report = health.report()
    assert (report.live, report.ready, report.draining) == (True, False, True)
    assert report.not_ready == ("draining",)
    assert value(metrics, "teetee_draining") == 1


class Tasks:
    """A task watch whose clock the test sets."""

    def __init__(self, metrics: Metrics) -> None:
        self.seconds = 0.0
        self.metrics = metrics
        self.watch = TaskWatch(metrics, clock=lambda: self.seconds)


@pytest.fixture
def tasks(metrics: Metrics) -> Tasks:
    return Tasks(metrics)


@pytest.mark.parametrize(
    ("task", "stuck"), [("heads", True), ("settle-3", True), ("answer-0", False)]
)
def test_check__a_task_hangs__is_a_reason_if_serving_needs_it(
    tasks: Tasks, task: str, stuck: bool
) -> None:
    seen: list[list[str]] = []

    def hang() -> None:
        for passed in (STUCK_SECONDS, 1):
            tasks.seconds += passed
            seen.append(list(tasks.watch.check()))

    tasks.watch.watched(task, hang)()
    assert seen == [[], ["task_stuck"] if stuck else []]
    assert list(tasks.watch.check()) == []


def test_watched__task_fails_and_succeeds__is_counted_and_its_age_shown(tasks: Tasks) -> None:
    def fail() -> None:
        raise RpcUnavailable({"http://node.invalid": "no connection"})

    run, fails = tasks.watch.watched("heads", lambda: None), tasks.watch.watched("heads", fail)
    tasks.seconds = 10
    with pytest.raises(RpcUnavailable):
        fails()
    assert value(tasks.metrics, "teetee_task_age_seconds", task="heads") == 10
    assert value(tasks.metrics, "teetee_task_failures_total", task="heads") == 1
    run()
    assert value(tasks.metrics, "teetee_task_age_seconds", task="heads") == 0


def test_forget_service__it_has_stopped__its_tasks_do_not_age(tasks: Tasks) -> None:
    tasks.watch.watched("heads", lambda: None)()
    tasks.watch.watched("answer-1", tasks.watch.forget_service)()
    tasks.seconds = 1000
    assert value(tasks.metrics, "teetee_task_age_seconds", task="answer") == 0
    assert value(tasks.metrics, "teetee_task_age_seconds", task="heads") == 1000


def test_watched__several_threads_with_one_task__show_the_oldest(tasks: Tasks) -> None:
    first, second = (tasks.watch.watched(f"settle-{number}", lambda: None) for number in (0, 1))
    first()
    tasks.seconds = 5
    second()
    assert value(tasks.metrics, "teetee_task_age_seconds", task="settle") == 5
