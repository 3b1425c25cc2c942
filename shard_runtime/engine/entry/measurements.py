# SPDX-License-Identifier: Apache-2.0
"""What is known of other shards by experience: how far they are, how fast, how loaded. Numbers
only, nothing of any request.

Thread-safe: the reading threads tell, whoever chooses paths asks.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shard_runtime.links.frames import Load
from teetee.protocol.identifiers import ShardId

_NEW = 0.2
"""How much the newest round trip counts in the mean."""
_KEPT_SECONDS = 60.0
"""What was heard longer ago says nothing any more."""


_UNKNOWN_SECONDS = 0.001
"""What a round trip and a step are taken to be while no shard was heard of."""


@dataclass(frozen=True, slots=True)
class _Heard:
    at: float
    round_trip: float
    """Seconds from a heartbeat to its answer, a running mean."""
    load: Load

    @property
    def step(self) -> float:
        """Seconds that a step takes there, as it says."""
        return self.load.step_microseconds / 1e6


class Measurements:
    """Grows with the shards that were heard of in the last minute, not with the runs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: dict[ShardId, _Heard] = {}
        self._ours: Counter[ShardId] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def counted(self, shards: Iterable[ShardId]) -> Iterator[None]:
        """A run of ours goes over these for the length of the block."""
        shards = tuple(shards)
        with self._lock:
            self._ours.update(shards)
        try:
            yield
        finally:
            with self._lock:
                self._ours.subtract(shards)
                self._ours = +self._ours

    def heard(self, shard_id: ShardId, round_trip: float, load: Load) -> None:
        """It answered a heartbeat."""
        with self._lock:
            now = self._clock()
            known = self._fresh(shard_id, now)
            mean = round_trip if known is None else known.round_trip
            mean += _NEW * (round_trip - mean)
            fresh = {each: was for each in self._heard if (was := self._fresh(each, now))}
            self._heard = fresh | {shard_id: _Heard(now, mean, load)}

    def cost(self, shard_id: ShardId) -> float:
        """Seconds that one more token would take over that shard, as far as one can tell: the way
        there and back, and a step for each run that shares it. One that was not heard of lately is
        taken to be like the others, so that it is tried as soon as they have more to do.
        """
        with self._lock:
            now = self._clock()
            ours = self._ours[shard_id]
            heard = self._fresh(shard_id, now)
            if heard is not None:
                return heard.round_trip + heard.step * (1 + max(ours, heard.load.runs))
            others = [was for each in self._heard if (was := self._fresh(each, now))]
            if not others:
                return _UNKNOWN_SECONDS * (2 + ours)
            round_trip = sum(other.round_trip for other in others) / len(others)
            step = sum(other.step for other in others) / len(others)
            return round_trip + step * (1 + ours)

    def _fresh(self, shard_id: ShardId, now: float) -> _Heard | None:
        heard = self._heard.get(shard_id)
        return heard if heard is not None and now - heard.at <= _KEPT_SECONDS else None
