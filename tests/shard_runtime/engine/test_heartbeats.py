# SPDX-License-Identifier: Apache-2.0
"""Which stages count as dead, counted in heartbeats under a clock that only the test moves.

given stages of running paths
    it should send each a heartbeat per interval, however many paths go over it
given a stage that does not answer
    it should be reported after `max_missed` heartbeats, not before, and again while it is silent
    an answer should restart the count; an answer to no heartbeat should not
given an entry that was suspended
    it should report no stage
given a stage that answers while its computing makes no progress and rows wait
    when its longest step is short
        it should be reported after `max_missed` more answers: as soon as one that froze
    when its longest step is longer than that
        it should be reported when four such steps would be over
    when it reports no longest step, or a very long one
        it should be reported after `max_stuck` more answers
    when answers were delayed and arrive together, or the entry was suspended
        it should not be reported for that
given a stage that answers and makes progress, or has nothing to do
    it should not be reported
given answers
    round trips and loads should be measured; those a minute old should not count
"""

import pytest

from shard_runtime.engine.entry.heartbeats import HeartbeatMonitor, HeartbeatSettings
from shard_runtime.engine.entry.shard_performance import ShardPerformance
from shard_runtime.links.frames import Alive, Heartbeat, Load
from teetee.protocol.identifiers import ShardId

SELF_ID, FIRST, SECOND = ShardId(1), ShardId(2), ShardId(3)
SETTINGS = HeartbeatSettings(interval_seconds=0.4, max_missed=3, max_stuck=4)


class Monitored:
    """A `HeartbeatMonitor` that keeps what it sends and reports."""

    def __init__(self, settings: HeartbeatSettings = SETTINGS) -> None:
        self.now = 100.0
        self.sent: list[tuple[ShardId, int]] = []
        self.dead: list[ShardId] = []
        self.performance = ShardPerformance(lambda: self.now)
        self.monitor = HeartbeatMonitor(
            self_id=SELF_ID,
            settings=settings,
            send=self.send,
            on_timeout=self.dead.append,
            performance=self.performance,
            clock=lambda: self.now,
        )

    def send(self, shard_id: ShardId, heartbeat: Heartbeat) -> None:
        assert heartbeat.shard_id == SELF_ID
        self.sent.append((shard_id, heartbeat.number))

    def send_all(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += SETTINGS.interval_seconds
            self.monitor.send_all()

    def answer(self, shard_id: ShardId, load: Load | None = None, *, after: float = 0.01) -> None:
        """To the newest heartbeat."""
        number = max(number for receiver, number in self.sent if receiver == shard_id)
        self.now += after
        self.monitor.record_reply(Alive(number, shard_id, load or Load()))


@pytest.fixture
def shards() -> Monitored:
    return Monitored()


def test_send_all__paths_over_two_stages__sends_each_one(shards: Monitored) -> None:
    shards.monitor.watch_path([FIRST, SECOND])
    shards.monitor.watch_path([FIRST])
    shards.send_all()
    assert shards.sent == [(FIRST, 1), (SECOND, 1)]
    shards.monitor.unwatch_path([FIRST, SECOND])
    shards.send_all()
    assert shards.sent[2:] == [(FIRST, 2)]
    shards.monitor.unwatch_path([FIRST])
    shards.send_all()
    assert len(shards.sent) == 3


def test_send_all__one_never_answers__is_reported_after_three_and_again(shards: Monitored) -> None:
    shards.monitor.watch_path([FIRST, SECOND])
    for _ in range(3):
        shards.send_all()
        shards.answer(SECOND)
    assert shards.dead == []
    shards.send_all()
    assert shards.dead == [FIRST]
    shards.send_all()
    assert shards.dead == [FIRST, FIRST]


def test_send_all__freezes_right_after_an_answer__is_reported_within_two_seconds(
    shards: Monitored,
) -> None:
    shards.monitor.watch_path([FIRST])
    shards.send_all()
    shards.answer(FIRST)
    frozen_at = shards.now
    while not shards.dead:
        shards.send_all()
    assert shards.now - frozen_at < 2.0


def test_record_reply__late__restarts_the_count(shards: Monitored) -> None:
    shards.monitor.watch_path([FIRST])
    for _ in range(5):
        shards.send_all(2)
        shards.answer(FIRST)
    assert shards.dead == []


@pytest.mark.parametrize("number", [0, 99], ids=["old", "never sent"])
def test_record_reply__to_no_heartbeat__does_not_count(shards: Monitored, number: int) -> None:
    shards.monitor.watch_path([FIRST])
    for _ in range(4):
        shards.send_all()
        shards.monitor.record_reply(Alive(number, FIRST, Load()))
    assert shards.dead == [FIRST]


def test_record_reply__from_an_unwatched_shard__does_not_matter(shards: Monitored) -> None:
    shards.monitor.record_reply(Alive(1, FIRST, Load()))
    assert shards.dead == []


def test_send_all__entry_was_suspended__reports_no_stage(shards: Monitored) -> None:
    shards.monitor.watch_path([FIRST])
    shards.send_all()
    shards.answer(FIRST)
    shards.now += 3600
    shards.send_all()
    shards.answer(FIRST)
    shards.send_all()
    assert shards.dead == []


def hanging(longest: float) -> Load:
    """The load that a stage with a hanging computing thread reports."""
    return Load(runs=1, waiting=3, turns=17, longest_microseconds=round(longest * 1e6))


def answers_until_reported(shards: Monitored, load: Load) -> int:
    """After the first one that reports the hanging turn."""
    shards.monitor.watch_path([FIRST])
    for answers in range(100):
        shards.send_all()
        shards.answer(FIRST, load)
        if shards.dead:
            return answers
    raise AssertionError("it was not reported")


@pytest.mark.parametrize("longest", [0.000_001, 0.025, 0.2], ids=lambda each: f"{each} s")
def test_record_reply__hangs_with_short_steps__is_reported_as_soon_as_one_that_froze(
    longest: float,
) -> None:
    settings = HeartbeatSettings()
    assert answers_until_reported(Monitored(settings), hanging(longest)) == settings.max_missed
    assert (settings.max_missed + 1) * settings.interval_seconds < 2.0


@pytest.mark.parametrize(
    ("longest", "answers"), [(0.201, 4), (0.5, 6), (1.0, 11)], ids=["0.2 s", "half a second", "1 s"]
)
def test_record_reply__hangs_with_long_steps__is_reported_when_four_would_be_over(
    longest: float, answers: int
) -> None:
    settings = HeartbeatSettings()
    assert answers_until_reported(Monitored(settings), hanging(longest)) == answers
    assert (answers - 1) * settings.interval_seconds >= 4 * longest


@pytest.mark.parametrize("longest", [0, 3.0, 4000.0], ids=["unknown", "3 s", "an hour"])
def test_record_reply__hangs_with_unknown_or_huge_steps__is_reported_after_max_stuck(
    longest: float,
) -> None:
    settings = HeartbeatSettings()
    assert answers_until_reported(Monitored(settings), hanging(longest)) == settings.max_stuck


def test_send_all__one_hangs_and_was_reported__is_reported_again(shards: Monitored) -> None:
    assert answers_until_reported(shards, hanging(0.01)) == SETTINGS.max_missed
    shards.send_all()
    assert shards.dead == [FIRST, FIRST]


def test_record_reply__several_together_after_a_pause__count_as_one(shards: Monitored) -> None:
    shards.monitor.watch_path([FIRST])
    shards.send_all(3)
    for number in range(1, 4):
        shards.monitor.record_reply(Alive(number, FIRST, hanging(0.01)))
    for _ in range(2):
        shards.send_all()
        shards.answer(FIRST, hanging(0.01))
    assert shards.dead == []


def test_record_reply__entry_was_suspended_during_a_long_step__reports_no_stage(
    shards: Monitored,
) -> None:
    shards.monitor.watch_path([FIRST])
    for _ in range(3):
        shards.now += 3600
        shards.send_all()
        shards.answer(FIRST, hanging(0.01))
    assert shards.dead == []


@pytest.mark.parametrize(
    "loads",
    [
        [Load(waiting=3, turns=turn, longest_microseconds=1) for turn in range(20)],
        [Load(waiting=0, turns=5, longest_microseconds=1)] * 20,
        [Load(waiting=turn % 2, turns=5, longest_microseconds=1) for turn in range(20)],
    ],
    ids=["it makes progress", "nothing waits", "nothing waits now and then"],
)
def test_send_all__stage_is_busy_or_idle__is_not_reported(
    shards: Monitored, loads: list[Load]
) -> None:
    shards.monitor.watch_path([FIRST])
    for load in loads:
        shards.send_all()
        shards.answer(FIRST, load)
    assert shards.dead == []


def test_cost__no_answers_yet__is_equal_but_for_own_runs(shards: Monitored) -> None:
    cost = shards.performance.cost
    assert cost(FIRST) == cost(SECOND)
    with shards.performance.counting_run([FIRST]):
        assert cost(FIRST) > cost(SECOND)
    assert cost(FIRST) == cost(SECOND)


def test_cost__far_slow_or_loaded__is_higher(shards: Monitored) -> None:
    def cost_of(load: Load, after: float) -> float:
        fresh = Monitored()
        fresh.monitor.watch_path([FIRST])
        for _ in range(30):
            fresh.send_all()
            fresh.answer(FIRST, load, after=after)
        return fresh.performance.cost(FIRST)

    quick = Load(runs=1, step_microseconds=1_000)
    near = cost_of(quick, 0.001)
    assert near == pytest.approx(0.001 + 2 * 0.001)
    assert cost_of(quick, 0.05) == pytest.approx(0.05 + 2 * 0.001)
    assert cost_of(Load(runs=1, step_microseconds=9_000), 0.001) > near
    assert cost_of(Load(runs=5, step_microseconds=1_000), 0.001) > near


def test_cost__one_answered_and_one_did_not__counts_the_other_as_average(shards: Monitored) -> None:
    shards.monitor.watch_path([FIRST])
    shards.send_all()
    shards.answer(FIRST, Load(runs=1, step_microseconds=1_000))
    assert shards.performance.cost(SECOND) == pytest.approx(0.01 + 0.001)
    assert shards.performance.cost(SECOND) < shards.performance.cost(FIRST)
    shards.now += 61
    assert shards.performance.cost(FIRST) == shards.performance.cost(SECOND)


def test_record_reply__many_shards_over_time__keeps_the_last_minute_only(shards: Monitored) -> None:
    for number in range(2, 500):
        shards.now += 1
        shards.performance.record_reply(ShardId(number), 0.01, Load())
    assert len(shards.performance._replies) <= 62
