# SPDX-License-Identifier: Apache-2.0
"""The runs that an entry has open or waiting, and what each holds: room in the cache, a place in
the line, heartbeats to its stages. Whatever ends a run gives all of it back at once.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.engine.entry.heartbeats import Heartbeats
from shard_runtime.engine.entry.run import EntryRun
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.errors import CacheFull, LinkCongested, RunCancelled, StageFailed, StageSilent
from shard_runtime.links.frames import Abort, Place, RunId, encode
from shard_runtime.links.port import Links
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class _Ending:
    """A block that ends runs when it fails. Each token passes some, so it is no generator."""

    __slots__ = ("_end", "_runs")

    def __init__(
        self, end: Callable[[Sequence[EntryRun], Exception], None], runs: Sequence[EntryRun]
    ) -> None:
        self._end = end
        self._runs = runs

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._end(self._runs, error)
        return True


class EntryRuns:
    """Used by the thread that computes, and no other."""

    def __init__(
        self,
        *,
        pool: CachePool,
        scheduler: Scheduler,
        heartbeats: Heartbeats,
        links: Links,
        ours: ShardId,
    ) -> None:
        self._pool = pool
        self._scheduler = scheduler
        self._heartbeats = heartbeats
        self._links = links
        self._ours = ours
        self._open: dict[RunId, EntryRun] = {}
        self._waiting: deque[EntryRun] = deque()
        """For room in the cache."""

    def __len__(self) -> int:
        return len(self._open) + len(self._waiting)

    def find(self, run: RunId) -> EntryRun | None:
        """The open run of that name."""
        return self._open.get(run)

    @property
    def longest_path(self) -> int:
        """Stages of it; 1 when no run is open."""
        return max((run.stages for run in self._open.values()), default=1)

    def begin(self, run: EntryRun) -> None:
        """It waits for room from now on, or fails when there can never be enough."""
        needed, budget = self._pool.bytes_for(run.request.capacity), self._pool.budget_bytes
        if needed > budget:
            self.fail(run, CacheFull(needed, budget - self._pool.used_bytes, budget))
        else:
            self._waiting.append(run)

    def admit(self) -> None:
        """Open those for which all that they can come to need is free.

        A run never waits for room while it holds some, so runs cannot block each other for ever;
        the one that came first is admitted first, so none starves.
        """
        while self._waiting:
            run = self._waiting[0]
            try:
                run.cache = self._pool.allocate(run.request.capacity)
            except CacheFull:
                return
            self._waiting.popleft()
            self._open[run.id] = run
            self._heartbeats.follow(run.path[1:])
            run.progress_at = time.monotonic()
            with self.ending(run):
                if run.stages > 1:
                    self._links.send(run.next_shard, encode(run.opening()))
                self._scheduler.add(run.id, run.request.end, lane=run.path)

    def ending(self, *runs: EntryRun) -> "_Ending":
        """Whatever goes wrong within ends these runs and no others."""
        return _Ending(self._end_all, runs)

    def _end_all(self, runs: Sequence[EntryRun], error: Exception) -> None:
        if not isinstance(error, TeeTeeError):  # its message may hold content
            _log.error("a run failed", extra={"kind": type(error).__name__})
            error = StageFailed(0, self._ours, AbortReason.INTERNAL)
        for run in runs:
            self.fail(run, error)

    def fail(self, run: EntryRun, error: TeeTeeError) -> None:
        """End the run here and at every stage that may know of it."""
        if self.end(run):
            for shard_id in run.path[1:]:
                self._tell(shard_id, run)
        run.tell(error)

    def cancel(self, run: EntryRun) -> None:
        """Its caller is gone."""
        if run in self._waiting or run.id in self._open:
            self.fail(run, RunCancelled())

    def fail_all(self, error: TeeTeeError) -> None:
        for run in [*self._waiting, *self._open.values()]:
            self.fail(run, error)

    def without(self, shard_id: ShardId, silent_seconds: float | None = None) -> None:
        """End those that go over a shard which is lost, or silent for so long."""
        for run in [run for run in self._open.values() if shard_id in run.path[1:]]:
            hop = run.path.index(shard_id)
            self.fail(
                run,
                StageFailed(hop, shard_id, AbortReason.LINK_LOST)
                if silent_seconds is None
                else StageSilent((shard_id,), silent_seconds),
            )

    def end_silent(self, limit: float) -> None:
        """End those for which nothing came back for so many seconds."""
        now = time.monotonic()
        for run in list(self._open.values()):
            if run.is_waited_for and now - run.progress_at > limit:
                self.fail(run, StageSilent(run.path[1:], limit))

    def end(self, run: EntryRun) -> bool:
        """Free what the run holds. Whether it was open, and others may know of it."""
        if run in self._waiting:
            self._waiting.remove(run)
        if self._open.pop(run.id, None) is None:
            return False
        assert run.cache is not None
        run.forget()
        self._pool.free(run.cache)
        run.cache = None
        self._scheduler.drop(run.id)
        self._heartbeats.leave(run.path[1:])
        return True

    def _tell(self, shard_id: ShardId, run: EntryRun) -> None:
        try:
            self._links.send(
                shard_id, encode(Abort(Place(run.id, 0, 0, 0), AbortReason.CANCELLED, 0))
            )
        except LinkCongested:
            _log.warning("a stage does not read and is not told", extra={"shard": shard_id})
