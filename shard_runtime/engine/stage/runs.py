# SPDX-License-Identifier: Apache-2.0
"""A stage's open runs with their caches, and the ids of those that ended. Ending a run frees all
that it holds at once; aborting it also notifies its entry, which notifies the other stages.

A run gets a place among `max_runs` and a cache once the guard has admitted it: what no one has paid
for keeps no one out. The guard limits how many are undecided.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator

from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.engine.abort_mapping import reason_for
from shard_runtime.engine.frame_gate import FrameGate
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.engine.run import OpenRuns
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.engine.stage.heartbeat_responder import HeartbeatResponder
from shard_runtime.engine.stage.request_guard import RequestGuard
from shard_runtime.engine.stage.run import StageRun
from shard_runtime.errors import LinkCongested, TooManyRuns
from shard_runtime.links.frames import (
    MAX_REPORTED_RUNS,
    Abort,
    Open,
    Place,
    RunId,
    RunProgress,
    encode,
)
from shard_runtime.links.port import Links
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)

_MAX_ENDED = 4096
"""Ids of ended runs to keep: a frame in flight when its run ended must not open it again."""


class StageRuns(OpenRuns[StageRun]):
    """Used by the computing thread alone."""

    def __init__(
        self,
        *,
        pool: CachePool,
        max_runs: int,
        scheduler: Scheduler,
        links: Links,
        gate: FrameGate,
        guard: RequestGuard,
    ) -> None:
        super().__init__()
        self._gate = gate
        self._guard = guard
        self._pool = pool
        self._max_runs = max_runs
        self._scheduler = scheduler
        self._links = links
        self._ended: OrderedDict[RunId, bytes | None] = OrderedDict()
        """For a run that ended before it was open: who ended it. Otherwise None."""

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[StageRun]:
        return iter(list(self._open.values()))

    def progress_of(self, entry_tls: bytes) -> tuple[RunProgress, ...]:
        """How far the runs of that entry are. Any thread may call it; the numbers may be a step
        old.
        """
        runs = [run for run in self if run.entry_tls == entry_tls]
        runs.sort(key=lambda run: not run.is_admitted)
        return tuple(
            RunProgress(run.id, run.positions_received, run.positions_sent)
            for run in runs[:MAX_REPORTED_RUNS]
        )

    def has_ended(self, run: RunId, entry_tls: bytes) -> bool:
        """Whether the run was open, or its entry aborted it before it was."""
        return run in self._ended and self._ended[run] in (None, entry_tls)

    def open_run(self, opening: Open, binding: RunBinding) -> StageRun:
        """Open a run, which the guard has still to admit."""
        run = StageRun(opening, binding)
        self._open[run.id] = run
        return run

    def admit(self, run: StageRun) -> None:
        """Reserve all that the run needs. Raises `TooManyRuns`, `CacheFull`."""
        if sum(each.is_admitted for each in self) >= self._max_runs:
            raise TooManyRuns(self._max_runs)
        run.cache = self._pool.allocate(run.terms.capacity)

    def end_run(self, run: RunId, sender: bytes | None = None) -> None:
        """Free what an open run holds, and refuse its frames from now on.

        sender: the peer that ends a run which is not open. It counts only if it is the run's entry,
        which the OPEN frame will tell.
        """
        ended = self._open.pop(run, None)
        self._gate.forget(run)
        if ended is not None:
            self._count_ended(ended)
            if ended.is_counted:
                self._guard.run_ended(ended.terms, ended.positions_sent)
            ended.discard_prepared()
            if ended.cache is not None:
                self._pool.free(ended.cache)
                ended.cache = None
        if ended is not None or run not in self._ended:
            self._ended[run] = None if ended is not None else sender
        while len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)
        self._scheduler.drop(run)

    def end_all(self) -> None:
        """End all runs without a notice: the process is closing."""
        for run in self:
            self.end_run(run.id)

    def abort_with_error(self, run: StageRun, error: Exception) -> None:
        """End the run; its entry gets the reason and the stage that caused the error."""
        facts = {"request": run.binding.request_id, "peer": run.entry}
        _log.warning("a run was aborted", extra={"kind": type(error).__name__, **facts})
        self._abort(run, *reason_for(error, run.hop))

    def abort_internal(self, run: StageRun) -> None:
        self._abort(run, AbortReason.INTERNAL, run.hop)

    def abort_refused(self, run: StageRun) -> None:
        """The guard does not let the run be computed."""
        facts = {"request": run.binding.request_id, "peer": run.entry}
        _log.warning("a request was refused", extra=facts)
        self._abort(run, AbortReason.REQUEST_REFUSED, run.hop)

    def abort_through(self, shard_id: ShardId) -> None:
        """A shard is lost: abort the runs that continue there, and end those that it started."""
        for run in self:
            if run.next_shard == shard_id:
                self._abort(run, AbortReason.LINK_LOST, run.hop + 1)
            elif run.entry == shard_id:
                self.end_run(run.id)

    def abort_of_offender(self, tls: bytes) -> None:
        """Abort the runs whose rows come from a peer that broke the rules of its link."""
        for run in self:
            if run.previous_tls == tls:
                self._abort(run, AbortReason.LINK_LOST, run.hop - 1)
            elif run.entry_tls == tls:
                self.end_run(run.id)

    def abort_idle(
        self, heartbeats: HeartbeatResponder, idle_seconds: float, entry_silent_seconds: float
    ) -> None:
        """Abort the runs that got no frame for `idle_seconds`, and those whose entry sent neither
        frames nor heartbeats for `entry_silent_seconds`.
        """
        now = time.monotonic()
        heartbeats.keep_only({run.entry_tls for run in self})
        for run in self:
            idle_since = run.last_progress_at
            silent_since = max(idle_since, heartbeats.last_heartbeat_at(run.entry_tls))
            if now - idle_since > idle_seconds or now - silent_since > entry_silent_seconds:
                self._abort(run, AbortReason.IDLE, run.hop - 1)

    def refuse(self, opening: Open, reason: AbortReason, stage: int) -> None:
        """Refuse to open a run; its entry gets the reason."""
        self.end_run(opening.place.run)
        self._send_abort(opening.path[0], opening.place.run, reason, stage)

    def _abort(self, run: StageRun, reason: AbortReason, stage: int) -> None:
        self.end_run(run.id)
        self._send_abort(run.entry, run.id, reason, stage)

    def _send_abort(self, entry: ShardId, run: RunId, reason: AbortReason, stage: int) -> None:
        try:
            self._links.send_frame(entry, encode(Abort(Place(run, 0, 0, 0), reason, stage)))
        except LinkCongested:
            _log.warning("an abort was not sent: link congested", extra={"peer": entry})
