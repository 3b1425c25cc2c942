# SPDX-License-Identifier: Apache-2.0
"""The runs that an entry has open or waiting, and what each holds: room in the cache, a place in
the queue, heartbeats to its stages. Ending a run frees all of it at once.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator

from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.engine.entry.heartbeats import HeartbeatMonitor
from shard_runtime.engine.entry.run import EntryRun
from shard_runtime.engine.frame_gate import FrameGate
from shard_runtime.engine.run import OpenRuns
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.errors import (
    CacheFull,
    LinkCongested,
    RunCancelled,
    StageFailed,
    StageMisbehaved,
    StageSilent,
)
from shard_runtime.links.frames import Abort, Place, encode
from shard_runtime.links.port import Links
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class EntryRuns(OpenRuns[EntryRun]):
    """Used by the computing thread alone."""

    def __init__(
        self,
        *,
        pool: CachePool,
        scheduler: Scheduler,
        heartbeats: HeartbeatMonitor,
        links: Links,
        self_id: ShardId,
        gate: FrameGate,
    ) -> None:
        super().__init__()
        self._pool = pool
        self._scheduler = scheduler
        self._heartbeats = heartbeats
        self._links = links
        self._self_id = self_id
        self._gate = gate
        self._waiting: deque[EntryRun] = deque()
        """For room in the cache."""

    def __len__(self) -> int:
        return len(self._open) + len(self._waiting)

    def __iter__(self) -> Iterator[EntryRun]:
        return iter([*self._waiting, *self._open.values()])

    @property
    def longest_path(self) -> int:
        """Stages of the longest open path; 1 when no run is open."""
        return max([run.stages for run in self._open.values()], default=1)

    def enqueue(self, run: EntryRun) -> None:
        """Let a run wait for room, or abort it if there can never be enough."""
        needed, budget = self._pool.bytes_for(run.request.capacity), self._pool.budget_bytes
        if needed > budget:
            self.abort_with_error(run, CacheFull(needed, budget - self._pool.used_bytes, budget))
        else:
            self._waiting.append(run)

    def admit(self) -> None:
        """Open waiting runs in FIFO order while their worst-case cache fits.

        A run never holds one reservation while it waits for another, so there is no deadlock and no
        starvation.
        """
        while self._waiting:
            run = self._waiting[0]
            try:
                run.cache = self._pool.allocate(run.request.capacity)
            except CacheFull:
                return
            self._waiting.popleft()
            self._open[run.id] = run
            self._heartbeats.watch_path(run.path[1:])
            self._heartbeats.stalls.watch_run(run)
            run.last_progress_at = time.monotonic()
            with self.aborting_on_error(run):
                if run.stages > 1:
                    self._gate.expect(run.id, run.previous_tls)
                    self._links.send_frame(run.next_shard, encode(run.opening()), run.next_tls)
                self._scheduler.add(run.id, run.request.end, lane=run.path)

    def abort_with_error(self, run: EntryRun, error: Exception) -> None:
        """End the run here and at every stage that may know of it; its caller gets the error."""
        if not isinstance(error, TeeTeeError):  # its message may hold content
            facts = {"kind": type(error).__name__, "request": run.binding.request_id}
            _log.error("a run failed", extra=facts)
            error = self._own_failure()
        if self.end_run(run):
            for shard_id in run.path[1:]:
                self._send_abort(shard_id, run)
        run.publish(error)

    def abort_internal(self, run: EntryRun) -> None:
        self.abort_with_error(run, self._own_failure())

    def cancel(self, run: EntryRun) -> None:
        """End a run whose caller left, if it has not ended."""
        if run in self._waiting or run.id in self._open:
            self.abort_with_error(run, RunCancelled())

    def abort_through(self, shard_id: ShardId, silent_seconds: float | None = None) -> None:
        """Abort the runs over a shard that is lost, or was silent for that long."""
        for run in [run for run in self._open.values() if shard_id in run.path[1:]]:
            hop = run.path.index(shard_id)
            self.abort_with_error(
                run,
                StageFailed(hop, shard_id, AbortReason.LINK_LOST)
                if silent_seconds is None
                else StageSilent((shard_id,), silent_seconds),
            )

    def abort_over_offender(self, tls: bytes) -> None:
        """Abort the runs over a peer that broke the rules of its link."""
        for run in list(self._open.values()):
            if stage := run.stage_of(tls):
                error = StageMisbehaved(stage, run.path[stage], "it broke the rules of its link")
                self.abort_with_error(run, error)

    def abort_silent(self, max_seconds: float) -> None:
        """Abort the runs whose rows a stage keeps, and those for which nothing returned for longer
        than `max_seconds`.
        """
        now = time.monotonic()
        for run in list(self._open.values()):
            if not run.has_outstanding:
                continue
            silent_seconds = now - run.last_progress_at
            if stalled := self._heartbeats.stalls.find_stalled(run):
                self.abort_with_error(run, StageSilent(stalled, round(silent_seconds, 1)))
            elif silent_seconds > max_seconds:
                self.abort_with_error(run, StageSilent(run.path[1:], max_seconds))

    def end_run(self, run: EntryRun) -> bool:
        """Free what the run holds. Returns whether it was open and other stages may know it."""
        if run in self._waiting:
            self._waiting.remove(run)
        if self._open.pop(run.id, None) is None:
            return False
        assert run.cache is not None
        self._count_ended(run)
        self._gate.forget(run.id)
        run.discard_prepared()
        self._pool.free(run.cache)
        run.cache = None
        self._scheduler.drop(run.id)
        self._heartbeats.unwatch_path(run.path[1:])
        self._heartbeats.stalls.unwatch_run(run)
        return True

    def _own_failure(self) -> StageFailed:
        return StageFailed(0, self._self_id, AbortReason.INTERNAL)

    def _send_abort(self, shard_id: ShardId, run: EntryRun) -> None:
        abort = Abort(Place(run.id, 0, 0, 0), AbortReason.CANCELLED, 0)
        try:
            self._links.send_frame(shard_id, encode(abort))
        except LinkCongested:
            facts = {"peer": shard_id, "request": run.binding.request_id}
            _log.warning("an abort was not sent: link congested", extra=facts)
