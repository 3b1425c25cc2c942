# SPDX-License-Identifier: Apache-2.0
"""The stage's role in the main loop: it passes rows of entries' runs through its layers and on to
the next stage. The reading threads answer heartbeats, whatever the loop does.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from shard_runtime.backends.shard import Shard, Span
from shard_runtime.engine.computing import StepPart
from shard_runtime.engine.inbox import PeerLost, PeerOffended
from shard_runtime.engine.loop import Batch, EngineLoop, LoopSettings
from shard_runtime.engine.prepared_step import PreparedStep
from shard_runtime.engine.stage.admission import RunAdmission, RunVerdict
from shard_runtime.engine.stage.heartbeat_responder import HeartbeatResponder
from shard_runtime.engine.stage.intake import StageIntake
from shard_runtime.engine.stage.request_guard import RequestGuard
from shard_runtime.engine.stage.run import StageRun
from shard_runtime.engine.stage.runs import StageRuns
from shard_runtime.engine.timings import StepTimes, warm_up
from shard_runtime.links.frames import Kind, Load, kind_of
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Links

_log = logging.getLogger(__name__)

_MAX_UINT32 = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings(LoopSettings):
    """Limits of a stage."""

    max_runs: int = 64
    idle_seconds: float = 120.0
    """After this time without a frame, a run is aborted."""
    entry_silent_seconds: float = 5.0
    """After this time without a frame or a heartbeat of an entry, all its runs are aborted."""
    max_waiting_rows: int = 4096
    """Beyond this, frames stay in the inbox."""


class Stage(EngineLoop[StageRun]):
    """Serves other entries' runs with one shard."""

    _runs: StageRuns

    def __init__(
        self,
        *,
        shard: Shard,
        identity: StageIdentity,
        links: Links,
        directory: PeerDirectory,
        guard: RequestGuard,
        settings: StageSettings | None = None,
    ) -> None:
        """guard: says for which requests this stage computes."""
        settings = settings or StageSettings()
        super().__init__(
            thread_name="stage",
            shard=shard,
            identity=identity,
            links=links,
            settings=settings,
            max_waiting_rows=settings.max_waiting_rows,
        )
        self._idle_seconds = settings.idle_seconds
        self._entry_silent_seconds = settings.entry_silent_seconds
        self._runs = StageRuns(
            pool=self._pool,
            max_runs=settings.max_runs,
            scheduler=self._scheduler,
            links=links,
            gate=self._gate,
            guard=guard,
        )
        self._admission = RunAdmission(
            guard, self._runs, self._scheduler, self._inbox.put, settings.max_waiting_rows
        )
        self._intake = self._make_intake(directory)
        self._heartbeats = HeartbeatResponder(
            identity.shard_id, links, directory, self._load, self._runs.progress_of
        )
        self._turns = 0
        self._times = StepTimes()

    def start(self) -> None:
        """Compute a warm-up chunk, then serve. Raises `WarmUpFailed`."""
        self._times.record_warm_up(warm_up(self._shard, self._pool, self._settings.chunk))
        self._links.start(self._receive, self._inbox.put_peer_lost)
        self._thread.start()

    def close(self) -> None:
        """End the open runs, the thread and the links."""
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join()
        self._links.close()

    def _make_intake(self, directory: PeerDirectory) -> StageIntake:
        return StageIntake(
            shard=self._shard,
            identity=self._identity,
            links=self._links,
            directory=directory,
            runs=self._runs,
            scheduler=self._scheduler,
            gate=self._gate,
            admission=self._admission,
        )

    # -- events --------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        return self._scheduler.waiting > 0

    def _has_other_work(self) -> bool:
        return self._scheduler.waiting > 0 or len(self._inbox) > 0

    def _on_frame(self, sender: bytes, body: bytes) -> None:
        self._intake.read_frame(sender, body)

    def _on_event(self, event: object) -> None:
        match event:
            case PeerLost(shard_id):
                self._runs.abort_through(shard_id)
            case PeerOffended(tls):
                self._runs.abort_of_offender(tls)
            case RunVerdict():
                self._admission.apply(event)

    # -- one step ------------------------------------------------------------------------------

    def _next_batch(self) -> Batch[StageRun]:
        self._in_work = self._scheduler.waiting
        self._turns += 1
        batch = []
        for share in self._scheduler.next(micro_batches=1):
            run = self._runs.find(share.run)
            assert run is not None
            assert run.cache is not None
            span = Span(run.cache, run.positions_sent, share.rows)
            batch.append((run, StepPart(span, run.next_rows(share.rows))))
        return batch

    def _compute(self, batch: Batch[StageRun]) -> list[torch.Tensor | None]:
        started_at = time.monotonic()
        computed = super()._compute(batch)
        if batch:
            self._times.record_step(time.monotonic() - started_at)
        return computed

    def _advance(self, step: PreparedStep[StageRun], body: bytes) -> Sequence[StageRun] | None:
        self._turns += 1
        started_at = time.monotonic()
        try:
            frame = step.compute()
        except Exception as error:  # noqa: BLE001 - as in `compute`, which tries again, each run alone
            _log.error("a step failed", extra={"kind": type(error).__name__})
            return None
        self._times.record_step(time.monotonic() - started_at)
        if (failure := self._try_send(step.next_shard, frame, step.next_tls)) is not None:
            self._runs.abort_each(step.runs, failure)
            return ()
        rows = zip(step.runs, step.split_rows(body), step.split_rows(frame), strict=True)
        for run, received, sent in rows:
            run.advance(received, sent)
        return step.runs

    def _return_together(self, runs: Sequence[StageRun]) -> bool:
        return True

    def _end_stale_runs(self) -> None:
        self._runs.abort_idle(self._heartbeats, self._idle_seconds, self._entry_silent_seconds)

    def _end_all_runs(self) -> None:
        self._runs.end_all()

    # -- for the threads that read -------------------------------------------------------------

    def _receive(self, sender: bytes, body: bytes) -> None:
        self._gate.admit(sender, body)
        if kind_of(body) == Kind.HEARTBEAT:
            self._heartbeats.reply(sender, body)
        else:
            self._inbox.put_frame(sender, body)

    def _load(self) -> Load:
        """Whole numbers, which may be a step old."""
        waiting = self._in_work + len(self._inbox)
        step, longest = (
            min(math.ceil(seconds * 1e6), _MAX_UINT32)
            for seconds in (self._times.mean_seconds, self._times.longest_seconds)
        )
        return Load(len(self._runs), waiting, self._turns % 2**32, step, longest)
