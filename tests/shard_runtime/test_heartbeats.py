"""Whether stages live, counted in heartbeats under a clock that only the test moves.

given stages of running paths
    each beat should ask each of them once, however many paths go over it
given a stage that does not answer
    it should be told after `missed` beats, not before, and again as long as it is silent
    an answer should start the count anew; an answer to nothing should not
given an entry that was suspended
    it should accuse nobody
given a stage that answers while its computing stands still
    it should be told after `stuck` answers; not while it has nothing to do
given answers
    round trips and loads should be measured; what was heard a minute ago should not count
"""

import pytest

from shard_runtime.frames import Alive, Heartbeat, Load
from shard_runtime.heartbeats import Heartbeats, HeartbeatSettings
from shard_runtime.measurements import Measurements
from teetee.identifiers import ShardId

OURS, FIRST, SECOND = ShardId(1), ShardId(2), ShardId(3)
SETTINGS = HeartbeatSettings(seconds=0.4, missed=3, stuck=4)


class Pulse:
    """Heartbeats with everything they say kept."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[tuple[ShardId, int]] = []
        self.silent: list[ShardId] = []
        self.measurements = Measurements(lambda: self.now)
        self.heartbeats = Heartbeats(
            ours=OURS,
            settings=SETTINGS,
            send=self.send,
            silent=self.silent.append,
            measurements=self.measurements,
            clock=lambda: self.now,
        )

    def send(self, shard_id: ShardId, heartbeat: Heartbeat) -> None:
        assert heartbeat.shard_id == OURS
        self.asked.append((shard_id, heartbeat.number))

    def beat(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += SETTINGS.seconds
            self.heartbeats.beat()

    def answer(self, shard_id: ShardId, load: Load | None = None, *, after: float = 0.01) -> None:
        """To the newest heartbeat."""
        number = max(number for asked, number in self.asked if asked == shard_id)
        self.now += after
        self.heartbeats.answered(Alive(number, shard_id, load or Load()))


@pytest.fixture
def pulse() -> Pulse:
    return Pulse()


def test_beat__paths_over_two_stages__asks_each_once(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST, SECOND])
    pulse.heartbeats.follow([FIRST])
    pulse.beat()
    assert pulse.asked == [(FIRST, 1), (SECOND, 1)]
    pulse.heartbeats.leave([FIRST, SECOND])
    pulse.beat()
    assert pulse.asked[2:] == [(FIRST, 2)]
    pulse.heartbeats.leave([FIRST])
    pulse.beat()
    assert len(pulse.asked) == 3


def test_beat__one_never_answers__is_told_after_three_beats_and_again(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST, SECOND])
    for _ in range(3):
        pulse.beat()
        pulse.answer(SECOND)
    assert pulse.silent == []
    pulse.beat()
    assert pulse.silent == [FIRST]
    pulse.beat()
    assert pulse.silent == [FIRST, FIRST]


def test_beat__freezes_right_after_an_answer__is_told_within_two_seconds(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST])
    pulse.beat()
    pulse.answer(FIRST)
    frozen_at = pulse.now
    while not pulse.silent:
        pulse.beat()
    assert pulse.now - frozen_at < 2.0


def test_answered__late__starts_the_count_anew(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST])
    for _ in range(5):
        pulse.beat(2)
        pulse.answer(FIRST)
    assert pulse.silent == []


@pytest.mark.parametrize("number", [0, 99], ids=["old", "never asked"])
def test_answered__to_nothing_that_was_asked__does_not_count(pulse: Pulse, number: int) -> None:
    pulse.heartbeats.follow([FIRST])
    for _ in range(4):
        pulse.beat()
        pulse.heartbeats.answered(Alive(number, FIRST, Load()))
    assert pulse.silent == [FIRST]


def test_answered__by_one_that_is_not_followed__does_not_matter(pulse: Pulse) -> None:
    pulse.heartbeats.answered(Alive(1, FIRST, Load()))
    assert pulse.silent == []


def test_beat__entry_was_suspended__accuses_nobody(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST])
    pulse.beat()
    pulse.answer(FIRST)
    pulse.now += 3600
    pulse.beat()
    pulse.answer(FIRST)
    pulse.beat()
    assert pulse.silent == []


def test_beat__computing_stands_still_while_something_waits__is_told(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST])
    for _ in range(5):
        pulse.beat()
        pulse.answer(FIRST, Load(runs=1, waiting=3, turns=17))
        assert pulse.silent == []
    pulse.beat()
    assert pulse.silent == [FIRST]


@pytest.mark.parametrize(
    "loads",
    [
        [Load(waiting=3, turns=turn) for turn in range(20)],
        [Load(waiting=0, turns=5)] * 20,
    ],
    ids=["it moves", "nothing waits"],
)
def test_beat__stage_is_busy_or_idle__is_not_told(pulse: Pulse, loads: list[Load]) -> None:
    pulse.heartbeats.follow([FIRST])
    for load in loads:
        pulse.beat()
        pulse.answer(FIRST, load)
    assert pulse.silent == []


def test_cost__nothing_heard__is_equal_but_for_our_own_runs(pulse: Pulse) -> None:
    cost = pulse.measurements.cost
    assert cost(FIRST) == cost(SECOND)
    with pulse.measurements.counted([FIRST]):
        assert cost(FIRST) > cost(SECOND)
    assert cost(FIRST) == cost(SECOND)


def test_cost__far_slow_or_loaded__is_higher(pulse: Pulse) -> None:
    def cost_of(load: Load, after: float) -> float:
        fresh = Pulse()
        fresh.heartbeats.follow([FIRST])
        for _ in range(30):
            fresh.beat()
            fresh.answer(FIRST, load, after=after)
        return fresh.measurements.cost(FIRST)

    quick = Load(runs=1, step_microseconds=1_000)
    near = cost_of(quick, 0.001)
    assert near == pytest.approx(0.001 + 2 * 0.001)
    assert cost_of(quick, 0.05) == pytest.approx(0.05 + 2 * 0.001)
    assert cost_of(Load(runs=1, step_microseconds=9_000), 0.001) > near
    assert cost_of(Load(runs=5, step_microseconds=1_000), 0.001) > near


def test_cost__one_heard_of_and_one_not__takes_the_other_to_be_like_it(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST])
    pulse.beat()
    pulse.answer(FIRST, Load(runs=1, step_microseconds=1_000))
    assert pulse.measurements.cost(SECOND) == pytest.approx(0.01 + 0.001)
    assert pulse.measurements.cost(SECOND) < pulse.measurements.cost(FIRST)
    pulse.now += 61
    assert pulse.measurements.cost(FIRST) == pulse.measurements.cost(SECOND)


def test_heard__many_shards_over_time__keeps_the_last_minute_only(pulse: Pulse) -> None:
    for number in range(2, 500):
        pulse.now += 1
        pulse.measurements.heard(ShardId(number), 0.01, Load())
    assert len(pulse.measurements._heard) <= 62
