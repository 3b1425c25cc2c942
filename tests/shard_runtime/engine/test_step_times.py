# SPDX-License-Identifier: Apache-2.0
"""What a stage reports about the length of its steps.

given a stage that computed nothing
    it should report 0: unknown
given a chunk computed before it serves
    the longest step should never be reported shorter than that
given steps
    the longest one should be reported, also long after it
    one that was long by accident should be forgotten after some thousand others
    the mean should follow the newest
"""

import pytest

from shard_runtime.engine.timings import StepTimes


@pytest.fixture
def times() -> StepTimes:
    times = StepTimes()
    times.record_warm_up(0.1)
    return times


def test_longest__nothing_was_computed__is_unknown() -> None:
    assert (StepTimes().longest_seconds, StepTimes().mean_seconds) == (0, 0)


def test_longest__short_steps_only__is_the_first_chunk(times: StepTimes) -> None:
    for _ in range(10_000):
        times.record_step(0.01)
    assert times.longest_seconds == 0.1


def test_longest__steps_that_grow__is_always_the_newest(times: StepTimes) -> None:
    for tenths in range(2, 100):
        times.record_step(tenths / 10)
        assert times.longest_seconds == tenths / 10


def test_longest__hundred_short_steps_after_a_long_one__still_reports_nearly_that(
    times: StepTimes,
) -> None:
    times.record_step(0.5)
    for _ in range(100):
        times.record_step(0.01)
    assert 0.45 < times.longest_seconds < 0.5


def test_longest__suspended_for_a_minute_once__is_forgotten(times: StepTimes) -> None:
    times.record_step(60.0)
    for _ in range(7_000):
        times.record_step(0.01)
    assert times.longest_seconds == 0.1


def test_mean__many_steps_alike__is_what_they_take(times: StepTimes) -> None:
    for _ in range(100):
        times.record_step(0.02)
    assert times.mean_seconds == pytest.approx(0.02, rel=1e-3)
