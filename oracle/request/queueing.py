# SPDX-License-Identifier: Apache-2.0
"""Which of the waiting requests cannot be answered in time: queue length times measured run time.

Pure. A request that finds a free slot is always tried, so a forecast that has become too gloomy is
measured again.
"""

import heapq
from collections.abc import Iterable, Sequence

from teetee.protocol.identifiers import RequestId

_WEIGHT_OF_LAST = 0.25


class RunTime:
    """How long a run takes, by the runs so far: the later, the more they weigh."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def record(self, seconds: float) -> None:
        """One run took this long, or was given up after it."""
        mean = seconds if self._mean is None else self._mean
        self._mean = mean + (seconds - mean) * _WEIGHT_OF_LAST

    def expected(self, elapsed: Iterable[float]) -> float:
        """In s, given how long the present runs have taken already; 0 while nothing is known."""
        return max(elapsed, default=0.0) if self._mean is None else self._mean


def find_hopeless(
    waiting: Sequence[tuple[RequestId, float]],
    *,
    slots: int,
    elapsed: Sequence[float],
    run_seconds: float,
) -> set[RequestId]:
    """The requests that cannot be answered in time.

    `waiting`: in FIFO order, each with the seconds that are left for its answer; `slots`: how many
    run at once; `elapsed`: for how long each of the present runs has taken already.
    """
    free_in = [max(0.0, run_seconds - seconds) for seconds in elapsed[:slots]]
    idle = slots - len(free_in)
    heapq.heapify(free_in)
    hopeless: set[RequestId] = set()
    for request_id, seconds_left in waiting:
        if idle:
            idle -= 1
            heapq.heappush(free_in, run_seconds)
        elif free_in[0] + run_seconds > seconds_left:
            hopeless.add(request_id)
        else:
            heapq.heapreplace(free_in, free_in[0] + run_seconds)
    return hopeless
