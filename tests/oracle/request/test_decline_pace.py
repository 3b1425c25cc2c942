# SPDX-License-Identifier: Apache-2.0
"""When many requests must be declined, so that none is late.

given few requests
    each may wait until the margin before its deadline
given many with one deadline
    their last calls should spread backwards, no more per second than can be sent
given declines that take longer, or do not come back
    fewer per second should be expected
"""

from itertools import pairwise

import pytest

from oracle.request.decline_pace import DeclinePace
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


def calls(pace: DeclinePace, *deadlines: int) -> list[int]:
    numbered = [(RequestId(number), deadline) for number, deadline in enumerate(deadlines)]
    found = pace.last_calls(numbered, margin=15)
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
