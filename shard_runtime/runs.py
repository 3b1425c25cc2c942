"""The runs that a stage has open: what each is bound to, what is due next, and which have ended
lately.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator

from shard_runtime.cache import Room, RunCache
from shard_runtime.errors import FrameInvalid, TooManyRuns
from shard_runtime.frames import Open, Place, RunId
from shard_runtime.receipts import RunBinding
from teetee.commitments import RunningCommitment
from teetee.identifiers import ShardId

_REMEMBERED = 4096
"""Ended runs. A frame that was on its way when its run ended must not open it again."""


class StageRun:
    """One run on one stage."""

    def __init__(self, opening: Open, binding: RunBinding, cache: RunCache) -> None:
        self.id = opening.place.run
        self.hop = opening.place.hop
        self.binding = binding
        self.cache = cache
        self.position = 0
        """How many positions have gone through."""
        self.sequence = 1
        """Of the next frame on our incoming hop."""
        self.received = RunningCommitment(opening.salts[0])
        self.sent = RunningCommitment(opening.salts[1])
        self.used_at = time.monotonic()

    @property
    def previous_tls(self) -> bytes:
        return self.binding.peers[self.hop - 1].tls

    @property
    def entry_tls(self) -> bytes:
        return self.binding.peers[0].tls

    @property
    def next_shard(self) -> ShardId:
        """After the last stage comes the entry."""
        return self.binding.peers[(self.hop + 1) % len(self.binding.peers)].shard_id

    def expect(self, place: Place) -> None:
        """The frame is the one that is due. Raises `FrameInvalid`; changes nothing then."""
        due = Place(self.id, self.hop, self.sequence, self.position)
        if place != due:
            raise FrameInvalid("is out of order, or of another hop or position")
        self.sequence += 1
        self.used_at = time.monotonic()


class RunTable:
    """Open runs with their caches."""

    def __init__(self, pool: Room, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._open: dict[RunId, StageRun] = {}
        self._ended: OrderedDict[RunId, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[StageRun]:
        return iter(list(self._open.values()))

    def find(self, run: RunId) -> StageRun | None:
        return self._open.get(run)

    def has_ended(self, run: RunId) -> bool:
        return run in self._ended

    def open(self, opening: Open, binding: RunBinding) -> StageRun:
        """Raises `TooManyRuns`, `CacheFull`."""
        if len(self._open) >= self._limit:
            raise TooManyRuns(self._limit)
        run = StageRun(opening, binding, self._pool.open(opening.capacity))
        self._open[run.id] = run
        return run

    def end(self, run: RunId) -> None:
        """Free the run's cache, if it is open, and refuse its frames from now on."""
        ended = self._open.pop(run, None)
        if ended is not None:
            self._pool.close(ended.cache)
        self._ended[run] = None
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
