# SPDX-License-Identifier: Apache-2.0
"""How far away, how fast and how loaded other shards are, by their answers to heartbeats. Numbers
only, nothing of any request.

Thread-safe: the reading threads record, whatever chooses paths asks.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shard_runtime.links.frames import Load
from teetee.protocol.identifiers import ShardId

_NEWEST_WEIGHT = 0.2
"""Of the newest round trip in the mean."""
_MAX_AGE_SECONDS = 60.0
"""Older answers do not count."""
_UNKNOWN_SECONDS = 0.001
"""Assumed for a round trip and for a step while no shard has answered."""


@dataclass(frozen=True, slots=True)
class _Reply:
    at: float
    round_trip: float
    """Seconds from a heartbeat to its answer, a running mean."""
    load: Load

    @property
    def step(self) -> float:
        """Seconds that a step takes there, as it reports."""
        return self.load.step_microseconds / 1e6


class ShardPerformance:
    """Grows with the shards that answered in the last minute, not with the runs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._replies: dict[ShardId, _Reply] = {}
        self._own_runs: Counter[ShardId] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def counting_run(self, shards: Iterable[ShardId]) -> Iterator[None]:
        """Count one of the entry's own runs over these shards while the block runs."""
        shards = tuple(shards)
        with self._lock:
            self._own_runs.update(shards)
        try:
            yield
        finally:
            with self._lock:
                self._own_runs.subtract(shards)
                self._own_runs = +self._own_runs

    def record_reply(self, shard_id: ShardId, round_trip: float, load: Load) -> None:
        """Record an answer to a heartbeat."""
        with self._lock:
            now = self._clock()
            known = self._recent(shard_id, now)
            mean = round_trip if known is None else known.round_trip
            mean += _NEWEST_WEIGHT * (round_trip - mean)
            recent = {each: reply for each in self._replies if (reply := self._recent(each, now))}
            self._replies = recent | {shard_id: _Reply(now, mean, load)}

    def cost(self, shard_id: ShardId) -> float:
        """Estimated seconds for one more token over that shard: the round trip, and a step for each
        run that shares it. A shard without a recent answer counts as an average one, so that it is
        tried as soon as the others have more to do.
        """
        with self._lock:
            now = self._clock()
            own_runs = self._own_runs[shard_id]
            reply = self._recent(shard_id, now)
            if reply is not None:
                return reply.round_trip + reply.step * (1 + max(own_runs, reply.load.runs))
            others = [other for each in self._replies if (other := self._recent(each, now))]
            if not others:
                return _UNKNOWN_SECONDS * (2 + own_runs)
            round_trip = sum(other.round_trip for other in others) / len(others)
            step = sum(other.step for other in others) / len(others)
            return round_trip + step * (1 + own_runs)

    def _recent(self, shard_id: ShardId, now: float) -> _Reply | None:
        reply = self._replies.get(shard_id)
        return reply if reply is not None and now - reply.at <= _MAX_AGE_SECONDS else None
