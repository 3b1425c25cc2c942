# SPDX-License-Identifier: Apache-2.0
"""What any client may use of the open endpoints.

given a rate
    it should admit a burst, then as many as time has brought, and never store more than a burst
given a maximum
    it should admit as many, and one more for each that releases its place
"""

from oracle.endpoints.rate_limits import ConcurrencyLimit, RateLimit


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_try_acquire__burst_is_used_up__waits_for_time_to_pass() -> None:
    clock = Clock()
    rate = RateLimit(per_second=0.5, burst=3, clock=clock)
    assert [rate.try_acquire() for _ in range(4)] == [True, True, True, False]
    clock.now = 1.9
    assert not rate.try_acquire()
    clock.now = 2.0
    assert [rate.try_acquire() for _ in range(2)] == [True, False]


def test_try_acquire__long_silence__stores_no_more_than_a_burst() -> None:
    clock = Clock()
    rate = RateLimit(per_second=10, burst=2, clock=clock)
    clock.now = 1_000.0
    assert [rate.try_acquire() for _ in range(3)] == [True, True, False]


def test_try_acquire__all_places_are_occupied__admits_when_one_is_released() -> None:
    limit = ConcurrencyLimit(2)
    assert [limit.try_acquire() for _ in range(3)] == [True, True, False]
    limit.release()
    assert [limit.try_acquire() for _ in range(2)] == [True, False]
