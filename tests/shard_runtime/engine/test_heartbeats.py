# SPDX-License-Identifier: Apache-2.0
"""Whether stages live, counted in heartbeats under a clock that only the test moves.

given stages of running paths
    each beat should ask each of them once, however many paths go over it
given a stage that does not answer
    it should be told after `missed` beats, not before, and again as long as it is silent
    an answer should start the count anew; an answer to nothing should not
given an entry that was suspended
    it should accuse nobody
given a stage that answers while its computing stands still and something waits
    when its longest step is short
        it should be told after `missed` more answers: as soon as one that froze
    when its longest step is longer than that
        it should be told when four such steps would be over
    when it says nothing of its longest step, or claims a very long one
        it should be told after `stuck` more answers
    when answers were held up and come all at once, or the entry was suspended
        it should not be told for that
given a stage that answers and moves, or has nothing to do
    it should not be told
given answers
    round trips and loads should be measured; what was heard a minute ago should not count
"""

import pytest

from shard_runtime.engine.entry.heartbeats import Heartbeats, HeartbeatSettings
from shard_runtime.engine.entry.measurements import Measurements
from shard_runtime.links.frames import Alive, Heartbeat, Load
from teetee.protocol.identifiers import ShardId

OURS, FIRST, SECOND = ShardId(1), ShardId(2), ShardId(3)
SETTINGS = HeartbeatSettings(seconds=0.4, missed=3, stuck=4)


class Pulse:
    """Heartbeats with everything they say kept."""

    def __init__(self, settings: HeartbeatSettings = SETTINGS) -> None:
        self.now = 100.0
        self.asked: list[tuple[ShardId, int]] = []
        self.silent: list[ShardId] = []
        self.measurements = Measurements(lambda: self.now)
        self.heartbeats = Heartbeats(
            ours=OURS,
            settings=settings,
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


def hanging(longest: float) -> Load:
    """What a stage says whose computing hangs."""
    return Load(runs=1, waiting=3, turns=17, longest_microseconds=round(longest * 1e6))


def answers_until_told(pulse: Pulse, load: Load) -> int:
    """After the first one in which the hanging turn was seen."""
    pulse.heartbeats.follow([FIRST])
    for answers in range(100):
        pulse.beat()
        pulse.answer(FIRST, load)
        if pulse.silent:
            return answers
    raise AssertionError("nobody was told")


@pytest.mark.parametrize("longest", [0.000_001, 0.025, 0.2], ids=lambda each: f"{each} s")
def test_answered__hangs_and_its_steps_are_short__is_told_as_soon_as_one_that_froze(
    longest: float,
) -> None:
    settings = HeartbeatSettings()
    assert answers_until_told(Pulse(settings), hanging(longest)) == settings.missed
    assert (settings.missed + 1) * settings.seconds < 2.0


@pytest.mark.parametrize(
    ("longest", "answers"), [(0.201, 4), (0.5, 6), (1.0, 11)], ids=["0.2 s", "half a second", "1 s"]
)
def test_answered__hangs_and_its_steps_are_long__is_told_when_four_would_be_over(
    longest: float, answers: int
) -> None:
    settings = HeartbeatSettings()
    assert answers_until_told(Pulse(settings), hanging(longest)) == answers
    assert (answers - 1) * settings.seconds >= 4 * longest


@pytest.mark.parametrize("longest", [0, 3.0, 4000.0], ids=["unknown", "3 s", "an hour"])
def test_answered__hangs_with_unknown_or_huge_steps__is_told_after_the_most_answers(
    longest: float,
) -> None:
    settings = HeartbeatSettings()
    assert answers_until_told(Pulse(settings), hanging(longest)) == settings.stuck


def test_beat__told_of_one_that_hangs__tells_again(pulse: Pulse) -> None:
    assert answers_until_told(pulse, hanging(0.01)) == SETTINGS.missed
    pulse.beat()
    assert pulse.silent == [FIRST, FIRST]


def test_answered__several_at_once_after_a_pause__count_as_one(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST])
    pulse.beat(3)
    for number in range(1, 4):
        pulse.heartbeats.answered(Alive(number, FIRST, hanging(0.01)))
    for _ in range(2):
        pulse.beat()
        pulse.answer(FIRST, hanging(0.01))
    assert pulse.silent == []


def test_answered__entry_was_suspended_during_a_long_step__accuses_nobody(pulse: Pulse) -> None:
    pulse.heartbeats.follow([FIRST])
    for _ in range(3):
        pulse.now += 3600
        pulse.beat()
        pulse.answer(FIRST, hanging(0.01))
    assert pulse.silent == []


@pytest.mark.parametrize(
    "loads",
    [
        [Load(waiting=3, turns=turn, longest_microseconds=1) for turn in range(20)],
        [Load(waiting=0, turns=5, longest_microseconds=1)] * 20,
        [Load(waiting=turn % 2, turns=5, longest_microseconds=1) for turn in range(20)],
    ],
    ids=["it moves", "nothing waits", "nothing waits now and then"],
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
