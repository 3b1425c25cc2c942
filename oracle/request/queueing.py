# SPDX-License-Identifier: Apache-2.0
"""In which order requests are computed, which of them have a place, and which cannot be answered in
time: queue length times measured run time.

Pure. A request that finds a free slot is tried, unless it has so little time that its prompt would
be paid for next to nothing. A forecast that has become too gloomy is measured again by those that
have more.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from statistics import median

from teetee.protocol.identifiers import RequestId

_RUNS_REMEMBERED = 31
MIN_SHARE = 0.5
"""Of the expected time of a run must be left at its start."""
ENOUGH_SECONDS = 30.0
"""So much is always enough to start."""


class RunTime:
    """How long a run takes: the median of the latest ones, so that a few long ones, which anyone
    can ask for, do not move it.
    """

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_RUNS_REMEMBERED)

    def record(self, seconds: float) -> None:
        """One run took this long to its answer."""
        self._seconds.append(seconds)

    def expected(self, elapsed: Iterable[float]) -> float:
        """In s, of a run that is yet to begin. While nothing is known, as long as the present runs
        have taken already.
        """
        return median(self._seconds) if self._seconds else max(elapsed, default=0.0)


def fair_ranks(
    waiting: Sequence[tuple[RequestId, str]], running: Iterable[str]
) -> dict[RequestId, int]:
    """Each waiting request's turn: how many requests of its requester run or wait before it.

    `waiting`: in FIFO order, each with its requester; `running`: the requesters of the present
    runs. Served by rank, no requester gets a second slot while another one waits for its first.
    """
    counts = Counter(running)
    ranks: dict[RequestId, int] = {}
    for request_id, requester in waiting:
        ranks[request_id] = counts[requester]
        counts[requester] += 1
    return ranks


def share_places(
    in_turn: Sequence[tuple[RequestId, bool]], *, free: int, receiving: int
) -> tuple[set[RequestId], set[RequestId]]:
    """The requests for which there is no place, and those that must give theirs to one before them.

    `in_turn`: the waiting requests in the order of their turns, each with whether it has a place;
    `free`: places beside those of requests that run or end; `receiving`: envelopes that are being
    fetched. A request gets the place of one behind it only once its envelope was found to open.
    """
    unplaced = {
        number for number, has_place in in_turn[max(0, free - receiving) :] if not has_place
    }
    placed = [number for number, has_place in in_turn if has_place]
    return unplaced, set(placed[max(0, free) :])


def find_hopeless(
    waiting: Sequence[tuple[RequestId, float]],
    *,
    slots: int,
    elapsed: Sequence[float],
    run_seconds: float,
) -> set[RequestId]:
    """The requests that cannot be answered in time.

    `waiting`: in the order of their turns, each with the seconds that are left for its answer;
    `slots`: how many run at once; `elapsed`: for how long each of the present runs has taken
    already. One that takes longer than usual is expected to take as long beyond that again.
    """
    free_in = [abs(run_seconds - seconds) for seconds in elapsed[:slots]]
    idle = slots - len(free_in)
    heapq.heapify(free_in)
    hopeless: set[RequestId] = set()
    for request_id, seconds_left in waiting:
        if seconds_left < min(MIN_SHARE * run_seconds, ENOUGH_SECONDS):
            hopeless.add(request_id)
        elif idle:
            idle -= 1
            heapq.heappush(free_in, run_seconds)
        elif free_in[0] + run_seconds > seconds_left:
            hopeless.add(request_id)
        else:
            heapq.heapreplace(free_in, free_in[0] + run_seconds)
    return hopeless
