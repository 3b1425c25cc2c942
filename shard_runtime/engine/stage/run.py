# SPDX-License-Identifier: Apache-2.0
"""The runs that a stage has open: what each is bound to, what is due next, what came and is not
computed yet; and which have ended lately.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator

import torch

from shard_runtime.backends.kv_cache import CachePool, RunCache
from shard_runtime.backends.shard import Span
from shard_runtime.engine.prepared_step import Coming, Foreseeable
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.errors import FrameInvalid, TooManyRuns
from shard_runtime.links.frames import Open, Place, RunId, Segment
from teetee.protocol.commitments import RunningCommitment
from teetee.protocol.identifiers import ShardId

_REMEMBERED = 4096
"""Ended runs. A frame that was on its way when its run ended must not open it again."""


class StageRun(Foreseeable):
    """One run on one stage."""

    def __init__(self, opening: Open, binding: RunBinding, cache: RunCache) -> None:
        self.id = opening.place.run
        self.hop = opening.place.hop
        self.binding = binding
        self.cache = cache
        self.arrived = 0
        """How many positions have come."""
        self.computed = 0
        """How many of them have gone on."""
        self.received = RunningCommitment(opening.salts[0])
        self.sent = RunningCommitment(opening.salts[1])
        self.used_at = time.monotonic()
        self._sequence_in = 1
        self._sequence_out = 1
        self._waiting = torch.empty(0)

    @property
    def previous_tls(self) -> bytes:
        return self.binding.peers[self.hop - 1].tls

    @property
    def entry_tls(self) -> bytes:
        return self.binding.peers[0].tls

    @property
    def entry(self) -> ShardId:
        return self.binding.peers[0].shard_id

    @property
    def next_shard(self) -> ShardId:
        """After the last stage comes the entry."""
        return self.binding.peers[(self.hop + 1) % len(self.binding.peers)].shard_id

    def expect(self, place: Place) -> None:
        """What that names is due. Raises `FrameInvalid`; changes nothing then."""
        if place != self._due:
            raise FrameInvalid("is out of order, or of another hop or position")
        self.forget()
        self._sequence_in += 1
        self.used_at = time.monotonic()

    def take(self, rows: torch.Tensor, data: bytes) -> None:
        """Rows came, (T, H), which wait now. Raises `FrameInvalid` beyond the run's room."""
        end = self.arrived + rows.shape[0]
        if end > self.cache.capacity:
            raise FrameInvalid(f"reaches position {end} of {self.cache.capacity}")
        self.received.update(data)
        is_first = self.arrived == self.computed
        self._waiting = rows if is_first else torch.cat([self._waiting, rows])
        self.arrived = end

    def next_rows(self, count: int) -> torch.Tensor:
        """So many of the rows that wait, (count, H); they do not wait any more."""
        rows, self._waiting = self._waiting[:count], self._waiting[count:]
        return rows

    def leave(self, rows: int, data: bytes) -> Segment:
        """Rows were computed and go on."""
        self.sent.update(data)
        segment = Segment(self.next_place(), rows)
        self.computed += rows
        return segment

    @property
    def comes_next(self) -> Coming | None:
        if not self.arrived == self.computed < self.cache.capacity:
            return None
        return Coming(
            sender=self.previous_tls,
            due=self._due,
            span=Span(self.cache, self.computed, 1),
            next_shard=self.next_shard,
            leaving=self._leaving,
        )

    def went_on(self, came: bytes, gone: bytes) -> None:
        """The step that was foreseen has been made: the row as it came and as it goes on."""
        self.forget()
        self.received.update(came)
        self._sequence_in += 1
        self.arrived += 1
        self.leave(1, gone)
        self.used_at = time.monotonic()

    def catch_up(self) -> None:
        """Hash what came and went, now that nobody waits for it."""
        self.received.catch_up()
        self.sent.catch_up()

    def next_place(self) -> Place:
        """Of the next thing that goes on."""
        place = self._leaving
        self._sequence_out += 1
        return place

    @property
    def _due(self) -> Place:
        return Place(self.id, self.hop, self._sequence_in, self.arrived)

    @property
    def _leaving(self) -> Place:
        return Place(self.id, self.hop + 1, self._sequence_out, self.computed)


class RunTable:
    """Open runs with their caches."""

    def __init__(self, pool: CachePool, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._open: dict[RunId, StageRun] = {}
        self._ended: OrderedDict[RunId, bytes | None] = OrderedDict()
        """By whom it was ended that was not open, or None."""

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[StageRun]:
        return iter(list(self._open.values()))

    def find(self, run: RunId) -> StageRun | None:
        return self._open.get(run)

    def has_ended(self, run: RunId, entry_tls: bytes) -> bool:
        """Whether it was open before, or its entry gave it up before its opening came."""
        return run in self._ended and self._ended[run] in (None, entry_tls)

    def open(self, opening: Open, binding: RunBinding) -> StageRun:
        """Raises `TooManyRuns`, `CacheFull`."""
        if len(self._open) >= self._limit:
            raise TooManyRuns(self._limit)
        run = StageRun(opening, binding, self._pool.allocate(opening.capacity))
        self._open[run.id] = run
        return run

    def end(self, run: RunId, by: bytes | None = None) -> None:
        """Free the run's cache, if it is open, and refuse its frames from now on.

        by: the peer who ends a run that is not open. It counts only if that is the run's entry,
        which its opening will tell.
        """
        ended = self._open.pop(run, None)
        if ended is not None:
            ended.forget()
            self._pool.free(ended.cache)
        if ended is not None or run not in self._ended:
            self._ended[run] = None if ended is not None else by
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
