# SPDX-License-Identifier: Apache-2.0
"""How much slower this machine is at present than a quiet one. On a slow one, enclaves start and
answer slowly, so that what a run does by the clock comes too early: faults, deadlines, checks.
"""

from __future__ import annotations

import time

MAX_SLOWNESS = 4.0
QUIET_SECONDS = 0.35
"""What `_work` takes in an idle world on two free cores."""


class Pace:
    """Measured between batches, by the thread that runs them; any thread asks for `seconds`."""

    def __init__(self) -> None:
        self.slowness = 1.0
        """1 to `MAX_SLOWNESS`."""
        self.longest = 1.0
        """The most that was measured."""

    def measure(self) -> None:
        """Takes half a second, or longer on a slow machine."""
        begin = time.monotonic()
        _work()
        slowness = (time.monotonic() - begin) / QUIET_SECONDS
        self.slowness = min(max(1.0, slowness), MAX_SLOWNESS)
        self.longest = max(self.longest, self.slowness)

    def seconds(self, quiet: float) -> float:
        """As long as `quiet` seconds of a quiet machine."""
        return quiet * self.slowness


def _work() -> None:
    value = 0
    for number in range(5_000_000):
        value ^= number * number
