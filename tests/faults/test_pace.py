# SPDX-License-Identifier: Apache-2.0
"""How much slower than a quiet machine this one is.

given a machine of some speed
    a run should be stretched by it, never shortened, and at most four times
    checks of the whole run should allow what its slowest batch needed
"""

import pytest

from tests.faults import pace as pace_module
from tests.faults.pace import QUIET_SECONDS, Pace


class Machine:
    """Its clock, which advances by a measurement's time at each second look."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._now = 0.0
        self._looks = 0

    def monotonic(self) -> float:
        self._looks += 1
        self._now += self.seconds if self._looks % 2 == 0 else 0.0
        return self._now


def test_measure__machines_of_some_speeds__is_between_one_and_four(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, pace, found = Machine(), Pace(), []
    monkeypatch.setattr(pace_module, "time", machine)
    monkeypatch.setattr(pace_module, "_work", lambda: None)
    for factor in (0.5, 2.0, 9.0, 1.0):
        machine.seconds = factor * QUIET_SECONDS
        pace.measure()
        found.append(pace.seconds(10))
    assert found == pytest.approx([10, 20, 40, 10])
    assert pace.longest == 4
