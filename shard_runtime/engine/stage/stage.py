# SPDX-License-Identifier: Apache-2.0
"""A stage that is not the entry: takes rows, computes its layers, hands on.

One thread does all of it, a step at a time: what came in, rows of several runs through our layers,
on to the next stages. What goes wrong with one run ends that run, frees its cache and tells its
entry; the others go on. Heartbeats are answered by the threads that read, whatever that one does.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.shard import Shard, Span
from shard_runtime.engine.computing import Part, compute
from shard_runtime.engine.inbox import Arrived, Inbox, PeerLost
from shard_runtime.engine.prepared_step import due_step, foresee
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.engine.stage.heartbeat_responder import StagePulse
from shard_runtime.engine.stage.intake import StageIntake
from shard_runtime.engine.stage.run import StageRun
from shard_runtime.engine.stage.runs import StageRuns
from shard_runtime.engine.step_times import StepTimes
from shard_runtime.engine.warm_up import warm_up
from shard_runtime.errors import LinkCongested
from shard_runtime.links import hidden_states as activations
from shard_runtime.links.frames import Kind, Load, encode, first_run_of, kind_of
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.outgoing_rows import OutgoingRows
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Links

_log = logging.getLogger(__name__)

_MOST = 2**32 - 1
"""That a heartbeat's answer can tell."""


@dataclass(frozen=True, slots=True)
class StageSettings:
    """Bounds of one stage."""

    cache_bytes: int = 1 << 30
    """For keys and values of all runs together."""
    runs: int = 64
    rows: int = 128
    """Of one step, at most."""
    chunk: int = 64
    """Rows of prompts in one step, at most; less than `rows`."""
    idle_seconds: float = 120.0
    """A run for which nothing comes for so long is given up."""
    entry_silent_seconds: float = 5.0
    """So are all runs of an entry that sends neither frames nor heartbeats for so long."""
    inbox_bytes: int = 256 << 20
    waiting_rows: int = 4096
    """Beyond so many, frames stay in the inbox."""
    watch_seconds: float = 1.0
    busy_wait_seconds: float = 0.02
    """After a row went on whose run's next one is awaited, the computing thread stays awake so long
    as nobody else wants its core. 0: it sleeps at once, which is slower and saves power.
    """


class Stage:
    """Serves other entries' runs with one shard."""

    def __init__(
        self,
        *,
        shard: Shard,
        identity: StageIdentity,
        links: Links,
        directory: PeerDirectory,
        settings: StageSettings | None = None,
    ) -> None:
        self._shard = shard
        self._links = links
        self._settings = settings or StageSettings()
        self._pool = shard.cache_pool(self._settings.cache_bytes)
        self._scheduler = Scheduler(rows=self._settings.rows, chunk=self._settings.chunk)
        self._runs = StageRuns(
            pool=self._pool, limit=self._settings.runs, scheduler=self._scheduler, links=links
        )
        self._intake = StageIntake(
            shard=shard,
            identity=identity,
            links=links,
            directory=directory,
            runs=self._runs,
            scheduler=self._scheduler,
        )
        self._inbox = Inbox(self._settings.inbox_bytes)
        self._pulse = StagePulse(identity.shard_id, links, directory, self._load)
        self._looked_at = time.monotonic()
        self._turns = 0
        self._awake = 0.0
        self._in_work = 0
        """Rows and frames that this thread has; it may hang with any of them."""
        self._times = StepTimes()
        self._thread = threading.Thread(target=self._work, name="stage", daemon=True)

    @property
    def open_runs(self) -> int:
        return len(self._runs)

    @property
    def cache_bytes_used(self) -> int:
        return self._pool.used_bytes

    def start(self) -> None:
        """Compute a chunk, and from then on take frames. Raises `WarmUpFailed`."""
        self._times.warmed_up(warm_up(self._shard, self._pool, self._settings.chunk))
        self._links.start(self._receive, self._inbox.lose)
        self._thread.start()

    def close(self) -> None:
        """Give up what is open and end the thread. The links are closed as well."""
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join()
        self._links.close()

    # -- the story -----------------------------------------------------------------------------

    def step(self) -> None:
        """What came in; rows of several runs through our layers; on with them."""
        gone = self._take_events()
        if gone is None:
            batch = self._next_batch()
            self._hand_on(batch, self._compute(batch))
            gone = [run for run, _ in batch]
        self._prepare(gone)

    def _work(self) -> None:
        while not self._inbox.closed:
            try:
                self.step()
                self._end_idle()
            except Exception as error:  # noqa: BLE001 - the thread's boundary; the message may hold content
                _log.error("a step failed", extra={"kind": type(error).__name__})
                self._runs.surrender_all(AbortReason.INTERNAL)
        self._runs.end_all()

    def _take_events(self) -> Sequence[StageRun] | None:
        """All of them, or up to the frame of a step that was foreseen; gives the runs that went on
        with it then.
        """
        timeout = 0 if self._scheduler.waiting else self._settings.watch_seconds
        while self._scheduler.waiting < self._settings.waiting_rows:
            self._in_work = self._scheduler.waiting
            event = self._inbox.take(timeout, self._awake if timeout else 0)
            self._in_work += event is not None
            if isinstance(event, Arrived):
                if (gone := self._go_on(event)) is not None:
                    return gone
                self._intake.take(event.sender, event.body)
            elif isinstance(event, PeerLost):
                self._runs.without(event.shard_id)
            elif event is None:
                break
            timeout = 0
        return None

    def _go_on(self, event: Arrived) -> Sequence[StageRun] | None:
        """Make the step that was foreseen, if this is its frame and nothing else waits that could
        be computed with it; gives its runs.
        """
        first = self._runs.find(first_run_of(event.body))
        step = due_step(first, event.sender, event.body)
        if step is None or self._has_others() or not step.take(event.body):
            return None
        self._turns += 1
        began = time.monotonic()
        try:
            frame = step.compute()
        except Exception as error:  # noqa: BLE001 - as in `compute`, which tries again, each run alone
            _log.error("a step failed", extra={"kind": type(error).__name__})
            return None
        self._times.took(time.monotonic() - began)
        try:
            self._links.send(step.next_shard, frame)
        except LinkCongested as error:
            for run in step.runs:
                self._runs.give_up(run, error)
            return ()
        rows_by_run = zip(step.each_row(event.body), step.each_row(frame), strict=True)
        for run, (came, gone) in zip(step.runs, rows_by_run, strict=True):
            run.went_on(came, gone)
        return step.runs

    def _has_others(self) -> bool:
        return bool(self._scheduler.waiting or len(self._inbox))

    def _next_batch(self) -> list[tuple[StageRun, Part]]:
        self._in_work = self._scheduler.waiting
        self._turns += 1
        batch = []
        for share in self._scheduler.next(micro_batches=1):
            run = self._runs.find(share.run)
            assert run is not None
            span = Span(run.cache, run.computed, share.rows)
            batch.append((run, Part(span, run.next_rows(share.rows))))
        return batch

    def _compute(self, batch: Sequence[tuple[StageRun, Part]]) -> list[torch.Tensor | None]:
        began = time.monotonic()
        computed = compute(self._shard, [part for _, part in batch])
        if batch:
            self._times.took(time.monotonic() - began)
        return computed

    def _hand_on(
        self, batch: Sequence[tuple[StageRun, Part]], computed: Sequence[torch.Tensor | None]
    ) -> None:
        onward = OutgoingRows(self._shard.architecture.hidden_size)
        for (run, part), hidden in zip(batch, computed, strict=True):
            if hidden is None:
                self._runs.surrender(run, AbortReason.INTERNAL, run.hop)
                continue
            data = activations.to_bytes(hidden)
            onward.add(run.next_shard, run.leave(part.span.rows, data), data)
        for shard_id, frame in onward.frames():
            try:
                self._links.send(shard_id, encode(frame))
            except LinkCongested as error:
                for segment in frame.segments:
                    if (sent := self._runs.find(segment.place.run)) is not None:
                        self._runs.give_up(sent, error)

    def _prepare(self, gone: Sequence[StageRun]) -> None:
        """For what comes next, now that the next stage computes and nobody waits for us."""
        for run in gone:
            run.catch_up()
        open_still = [run for run in gone if self._runs.find(run.id) is run]
        step = foresee(open_still, self._shard)
        self._awake = 0.0 if step is None else self._settings.busy_wait_seconds
        is_alone = len(open_still) == len(self._runs)  # else others come before
        if step is not None and is_alone and not self._has_others():
            step.rehearse()

    def _end_idle(self) -> None:
        now, settings = time.monotonic(), self._settings
        if now - self._looked_at >= settings.watch_seconds:
            self._looked_at = now
            self._runs.end_idle(self._pulse, settings.idle_seconds, settings.entry_silent_seconds)

    # -- for the threads that read -------------------------------------------------------------

    def _receive(self, sender: bytes, body: bytes) -> None:
        if kind_of(body) == Kind.HEARTBEAT:
            self._pulse.answer(sender, body)
        else:
            self._inbox.arrive(sender, body)

    def _load(self) -> Load:
        """Whole numbers, which may be a step old."""
        waiting = self._in_work + len(self._inbox)
        step, longest = (
            min(math.ceil(seconds * 1e6), _MOST)
            for seconds in (self._times.lately, self._times.longest)
        )
        return Load(len(self._runs), waiting, self._turns % 2**32, step, longest)
