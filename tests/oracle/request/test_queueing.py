# SPDX-License-Identifier: Apache-2.0
"""Which waiting requests have a place, and which cannot be answered in time.

given more requests than places
    those whose turns come last should have none; one that has a place should keep it until a
    request before it was found to open

given a free slot
    the first in the queue should be tried, unless it has less than half of a run's time
given no free slot
    a request should be hopeless if its turn and its run end after its time
    one that is hopeless should not delay those behind it
given no run yet
    the present runs' own duration should be the measure
"""

from hypothesis import given
from hypothesis import strategies as st

from oracle.request.queueing import RunTime, fair_ranks, find_hopeless, share_places
from teetee.protocol.identifiers import RequestId


def hopeless(*left: float, slots: int = 1, elapsed: list[float], run: float = 10.0) -> list[int]:
    waiting = [(RequestId(number), seconds) for number, seconds in enumerate(left)]
    return sorted(find_hopeless(waiting, slots=slots, elapsed=elapsed, run_seconds=run))


def test_find_hopeless__slot_is_free__is_tried() -> None:
    assert hopeless(6.0, elapsed=[]) == []
    assert hopeless(6.0, 6.0, elapsed=[]) == [1]


def test_b5__slot_is_free_and_the_time_is_nearly_over__is_not_started() -> None:
    """It used to be, and paid its whole prompt for a token or two."""
    assert hopeless(0.5, elapsed=[1.0] * 3, slots=4, run=30.0) == [0]
    assert hopeless(14.9, 15.1, elapsed=[], slots=4, run=30.0) == [0]


def test_b5__runs_are_believed_to_take_long__is_measured_again() -> None:
    assert hopeless(30.0, elapsed=[], run=86_400.0) == []


def test_c2__queue_is_longer_than_the_time__only_the_last_are_hopeless() -> None:
    assert hopeless(20.0, 20.0, 30.0, elapsed=[5.0]) == [1]
    assert hopeless(*[60.0] * 300, slots=4, elapsed=[0.0] * 4) == list(range(20, 300))


def test_find_hopeless__run_takes_as_long_as_usual__is_expected_to_end_now() -> None:
    assert hopeless(10.0, elapsed=[10.0]) == []


def test_b4__present_runs_take_far_longer_than_usual__are_not_expected_to_end_now() -> None:
    assert hopeless(280.0, slots=4, elapsed=[40.0] * 4) == []
    assert hopeless(280.0, slots=4, elapsed=[500.0] * 4) == [0]
    assert hopeless(280.0, slots=4, elapsed=[500.0] * 3 + [2.0]) == []


def shares(*in_turn: bool, free: int, receiving: int = 0) -> tuple[set[int], set[int]]:
    numbered = [(RequestId(number), has_place) for number, has_place in enumerate(in_turn)]
    unplaced, displaced = share_places(numbered, free=free, receiving=receiving)
    return set(unplaced), set(displaced)


def test_b4__turn_of_a_newcomer_comes_first__the_last_gives_its_place_once_it_opens() -> None:
    assert shares(False, True, True, free=2) == (set(), set()), "it is fetched first"
    assert shares(True, True, True, free=2) == (set(), {2})


def test_share_places__turn_of_a_newcomer_comes_last__has_no_place() -> None:
    assert shares(True, True, False, free=2) == ({2}, set())
    assert shares(False, False, True, free=2, receiving=1) == ({1}, set())
    assert shares(False, True, free=-1) == ({0}, {1})


@given(
    left=st.lists(st.floats(0, 1_000), max_size=30),
    slots=st.integers(1, 8),
    elapsed=st.lists(st.floats(0, 100), max_size=8),
    run=st.floats(0.01, 100),
)
def test_find_hopeless__more_slots__are_never_worse_for_the_first(
    left: list[float], slots: int, elapsed: list[float], run: float
) -> None:
    few = hopeless(*left, slots=slots, elapsed=elapsed[:slots], run=run)
    more = hopeless(*left, slots=slots + 1, elapsed=elapsed[:slots], run=run)
    assert len(more) <= len(few)
    assert more[:1] >= few[:1] or not more


def test_run_time__nothing_measured_yet__is_at_least_what_present_runs_took() -> None:
    time = RunTime()
    assert time.expected([]) == 0
    assert time.expected([3.0, 7.0]) == 7.0


def test_run_time__measured__follows_the_latest() -> None:
    time = RunTime()
    time.record(10.0)
    assert time.expected([50.0]) == 10.0
    for _ in range(20):
        time.record(2.0)
    assert 2.0 <= time.expected([]) < 2.1


def test_a4__one_run_of_an_hour__does_not_move_the_expected_run_time() -> None:
    time = RunTime()
    for _ in range(20):
        time.record(8.0)
    time.record(3_585.0)
    assert time.expected([]) == 8.0
    assert hopeless(*[280.0] * 8, slots=4, elapsed=[1.0] * 4, run=time.expected([])) == []


def test_a4__one_requester_asks_much__others_come_before_its_second_request() -> None:
    waiting = [(RequestId(number), "many") for number in range(8)]
    ranks = fair_ranks([*waiting, (RequestId(8), "few")], ["many", "many"])
    assert ranks[RequestId(8)] == 0
    assert [ranks[RequestId(number)] for number in range(8)] == list(range(2, 10))
