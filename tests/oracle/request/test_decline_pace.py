# SPDX-License-Identifier: Apache-2.0
"""When many requests must be declined, so that none is late.

given few requests
    each may wait until the margin before its deadline
given many with one deadline
    their last calls should spread backwards, no more per second than can be sent
given declines that take longer, or do not come back
    fewer per second should be expected, but no host should make that any number
given requests with other recipients
    none should be declined while another one may be at work: what has no room after that should be
    declined before the second one's turn
"""

from itertools import pairwise

import pytest

from oracle.request.decision import Timing
from oracle.request.decline_pace import MAX_SECONDS, DeclinePace, Due
from teetee.protocol.identifiers import RequestId


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> DeclinePace:
    return DeclinePace(clock)


TIMING = Timing(decline_margin=15, refund_grace=30)
OPENED, TURN = 100, 2_000


def calls(
    pace: DeclinePace, *deadlines: int, second_turn: int | None = None, now: int = 0
) -> list[int]:
    due = [
        Due(RequestId(number), OPENED, deadline, second_turn)
        for number, deadline in enumerate(deadlines)
    ]
    found = pace.last_calls(due, TIMING, now)
    return [found[RequestId(number)] for number in range(len(deadlines))]


def test_a1__few_requests__wait_until_the_margin(pace: DeclinePace) -> None:
    assert calls(pace, 1_000) == [985]
    assert calls(pace, 1_000, 5_000) == [985, 4_985]


def test_a1__many_with_one_deadline__are_spread_backwards_as_fast_as_they_can_be_sent(
    pace: DeclinePace,
) -> None:
    found = sorted(calls(pace, *[1_000] * 2_500))
    assert found[-1] <= 985 - 2 * 20, "the last has time for a second attempt"
    assert found[-1] - found[0] == pytest.approx(2_500 / pace.per_second, abs=2)


def test_a1__a_flood_follows__those_before_it_come_earlier_too(pace: DeclinePace) -> None:
    first, *flood = calls(pace, 995, *[1_000] * 1_000)
    assert first <= min(flood)
    assert all(now - before >= 0 for before, now in pairwise(sorted(flood)))


def test_a1__declines_take_longer__fewer_are_expected(pace: DeclinePace, clock: Clock) -> None:
    before = pace.per_second
    pace.on_sent(RequestId(1))
    clock.now = 60.0
    assert pace.per_second < before / 2, "the oldest is not confirmed yet"
    pace.on_confirmed(RequestId(1))
    assert pace.per_second == pytest.approx(before * 20 / 60)
    for number in range(100):
        pace.on_sent(RequestId(number))
        pace.on_confirmed(RequestId(number))
    assert pace.per_second > before


@pytest.mark.parametrize("count", [1, 50, 51, 64, 2_500])
def test_b1__others_may_answer__is_declined_late_or_before_the_second_ones_turn(
    pace: DeclinePace, count: int
) -> None:
    """Sixty requests that the primary could not open used to end, 55 s before the deadline, what
    the second one streamed.
    """
    found = calls(pace, *[4_000] * count, second_turn=TURN, now=TURN - 1)
    assert all(call == OPENED or call >= 4_000 - TIMING.max_lead for call in found)
    late = [call for call in found if call != OPENED]
    assert late
    assert len(late) <= 1 + pace.per_second * TIMING.max_lead


def test_b1__second_one_may_have_begun__none_comes_earlier_than_it_ends(pace: DeclinePace) -> None:
    found = calls(pace, *[4_000] * 2_500, second_turn=TURN, now=TURN)
    assert min(found) == 4_000 - TIMING.max_lead


def test_b2__confirmations_are_held_back__are_believed_up_to_a_limit(
    pace: DeclinePace, clock: Clock
) -> None:
    pace.on_sent(RequestId(1))
    clock.now = MAX_SECONDS
    limited = pace.per_second
    clock.now = 86_400.0
    assert pace.per_second == limited
    pace.on_confirmed(RequestId(1))
    assert pace.per_second == limited
    assert calls(pace, *[90_000] * 51)[0] >= 90_000 - 15 - 2 * MAX_SECONDS - 51 / limited
