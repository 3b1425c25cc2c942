# SPDX-License-Identifier: Apache-2.0
"""How long a stage's steps take, as it tells with its answers to heartbeats. Pure: no clock."""

_NEW = 0.1
"""How much the newest step counts in the mean."""
_KEPT = 0.999
"""How much of the longest step is left after another one. A step in which the machine was suspended
should not count for ever: after some thousand steps it is forgotten. One that is long because of
its rows and their contexts comes back by degrees, since both grow by a chunk at a time."""


class StepTimes:
    """The thread that computes tells, any may read."""

    def __init__(self) -> None:
        self.lately = 0.0
        """Seconds, a running mean."""
        self.longest = 0.0
        """Seconds; 0 while nothing was computed."""
        self._chunk = 0.0

    def warmed_up(self, seconds: float) -> None:
        """What a whole chunk took alone, on which `longest` never falls short."""
        self._chunk = self.longest = seconds

    def took(self, seconds: float) -> None:
        """A step is over."""
        self.lately += _NEW * (seconds - self.lately)
        self.longest = max(seconds, self._chunk, _KEPT * self.longest)
