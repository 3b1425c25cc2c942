# SPDX-License-Identifier: Apache-2.0
"""The main loop of a computing thread. An entry and a stage run the same one in different roles.

A step is: handle received events, choose the rows of one batch, compute them, send them to the next
stages, prepare the next step. A frame that a prepared step expects skips the batch. An error that
concerns one run ends that run alone; any other error ends the open runs, and the loop continues.
"""

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from shard_runtime.backends.kv_cache import DEFAULT_CACHE_BYTES
from shard_runtime.backends.shard import Shard
from shard_runtime.engine.computing import StepPart, compute
from shard_runtime.engine.frame_gate import FrameGate
from shard_runtime.engine.inbox import FrameReceived, Inbox, PeerOffended
from shard_runtime.engine.prepared_step import PreparedStep, prepare_step
from shard_runtime.engine.run import OpenRuns, Run
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.links.frames import encode, first_run_of
from shard_runtime.links.hidden_states import OutgoingRows, hidden_to_bytes
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.port import Links
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)

DEFAULT_BUSY_WAIT_SECONDS = 0.02

_MAX_EVENTS = 256
"""Handled before the next step: however many arrive, rows are computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """Limits of one computing thread."""

    cache_bytes: int = DEFAULT_CACHE_BYTES
    """Maximum for keys and values of all runs together."""
    rows: int = 128
    """Maximum of one step."""
    chunk: int = 64
    """Maximum of prompt rows in one step; less than `rows`."""
    inbox_bytes: int = 256 << 20
    """Of received frames, beyond which the reading threads block."""
    inbox_bytes_per_peer: int = 64 << 20
    """The same for one peer's frames and its reading thread."""
    watch_seconds: float = 1.0
    """How often stale runs are looked for."""
    busy_wait_seconds: float = DEFAULT_BUSY_WAIT_SECONDS
    """How long the thread busy-waits for the row of a prepared step, unless another thread needs
    the core. 0: it sleeps at once, which is slower and saves power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """What an operator may know of a computing thread: numbers, nothing of any run."""

    open_runs: int
    """Those that wait for room among them."""
    inbox_frames: int
    cache_bytes_used: int
    cache_bytes: int
    """The budget."""
    steps: int
    """Since the start, up to the last run that ended."""
    rows: int
    """Positions that passed through this shard's layers in runs that ended, since the start; each
    run's is rounded up.
    """


R = TypeVar("R", bound=Run)
Batch = Sequence[tuple[R, StepPart]]


class EngineLoop(ABC, Generic[R]):
    """The loop and what both roles hold. A role sets `_runs` and defines the abstract methods."""

    _runs: OpenRuns[R]

    def __init__(
        self,
        *,
        thread_name: str,
        shard: Shard,
        identity: StageIdentity,
        links: Links,
        settings: LoopSettings,
        max_waiting_rows: float = math.inf,
    ) -> None:
        """max_waiting_rows: with more of them, frames stay in the inbox."""
        self._shard = shard
        self._identity = identity
        self._links = links
        self._settings = settings
        self._inbox = Inbox(
            max_peer_bytes=settings.inbox_bytes_per_peer, max_bytes=settings.inbox_bytes
        )
        self._gate = FrameGate(
            width=shard.architecture.hidden_size,
            on_refused=lambda tls: self._inbox.put(PeerOffended(tls), urgent=True),
        )
        self._max_waiting_rows = max_waiting_rows
        self._pool = shard.cache_pool(settings.cache_bytes)
        self._scheduler = Scheduler(rows=settings.rows, chunk=settings.chunk)
        self._in_work = 0
        """Rows and frames that this thread has received but not computed; it may hang with any."""
        self._busy_wait_seconds = 0.0
        self._steps = self._counted_steps = self._counted_rows = 0
        self._checked_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=thread_name, daemon=True)

    @property
    def open_runs(self) -> int:
        """Open runs, and those that wait for room."""
        return len(self._runs)

    @property
    def cache_bytes_used(self) -> int:
        """Bytes reserved for keys and values."""
        return self._pool.used_bytes

    def report(self) -> EngineReport:
        """Counts and sizes, each of which may be a step old. For any thread."""
        return EngineReport(
            open_runs=self.open_runs,
            inbox_frames=len(self._inbox),
            cache_bytes_used=self._pool.used_bytes,
            cache_bytes=self._pool.budget_bytes,
            steps=self._counted_steps,
            rows=self._counted_rows,
        )

    def _run(self) -> None:
        while not self._inbox.is_closed:
            try:
                self._step()
                self._end_stale()
                self._count_ended()
            except Exception as error:  # noqa: BLE001 - the thread's boundary; the message may hold content
                _log.error("a step failed", extra={"kind": type(error).__name__})
                self._abort_all()
        self._end_all_runs()

    def _abort_all(self) -> None:
        """End each open run, also if ending another one fails: the thread must go on."""
        for run in self._runs:
            try:
                self._runs.abort_internal(run)
            except Exception as error:  # noqa: BLE001 - as in `_run`
                _log.error("a run was not aborted", extra={"kind": type(error).__name__})

    # -- one step ------------------------------------------------------------------------------

    def _step(self) -> None:
        sent = self._process_events()
        if sent is None:
            batch = self._next_batch()
            self._send_batch(batch, self._compute(batch))
            sent = [run for run, _ in batch]
        self._steps += bool(sent)
        self._prepare_next(sent)

    def _count_ended(self) -> None:
        """What operators see grows when a run has ended, never while one is computed."""
        if self._counted_rows != self._runs.ended_rows:
            self._counted_rows = self._runs.ended_rows
            self._counted_steps = self._steps

    def _process_events(self) -> Sequence[R] | None:
        """Handle the events of one turn, or those up to the frame of a prepared step; in that case
        returns the runs that advanced.
        """
        timeout = 0.0 if self._is_busy() else self._settings.watch_seconds
        for _ in range(_MAX_EVENTS):
            if self._scheduler.waiting >= self._max_waiting_rows:
                break
            self._in_work = self._scheduler.waiting
            busy_wait = self._busy_wait_seconds if timeout else 0
            event = self._inbox.next_event(timeout, busy_wait)
            if event is None:
                break
            self._in_work += 1
            if isinstance(event, FrameReceived):
                if (advanced := self._advance_prepared(event)) is not None:
                    return advanced
                self._on_frame(event.sender, event.body)
            else:
                self._on_event(event)
            timeout = 0.0
        return None

    def _advance_prepared(self, event: FrameReceived) -> Sequence[R] | None:
        """Make the prepared step if this is its frame and no other work is pending; returns its
        runs. Otherwise None, and the frame takes the regular path.
        """
        first = self._runs.find(first_run_of(event.body))
        step = None if first is None else first.prepared
        if step is None or not step.matches(event.sender, event.body):
            return None
        if self._has_other_work() or not step.receive(event.body):
            return None
        return self._advance(step, event.body)

    def _compute(self, batch: Batch[R]) -> list[torch.Tensor | None]:
        return compute(self._shard, [part for _, part in batch])

    def _send_batch(self, batch: Batch[R], computed: Sequence[torch.Tensor | None]) -> None:
        outgoing = OutgoingRows(self._shard.architecture.hidden_size)
        for (run, _), hidden in zip(batch, computed, strict=True):
            if hidden is None:
                self._runs.abort_internal(run)
            else:
                self._add_outgoing(outgoing, run, hidden)
        for shard_id, tls, frame in outgoing.frames():
            if (error := self._try_send(shard_id, encode(frame), tls)) is not None:
                found = (self._runs.find(segment.place.run) for segment in frame.segments)
                self._runs.abort_each([run for run in found if run is not None], error)

    def _add_outgoing(self, outgoing: OutgoingRows, run: R, hidden: torch.Tensor) -> None:
        """Add a run's computed rows to the outgoing frames."""
        data = hidden_to_bytes(hidden)
        segment = run.make_segment(hidden.shape[0], data)
        outgoing.add(run.next_shard, run.next_tls, segment, data)

    def _try_send(self, shard_id: ShardId, body: bytes, tls: bytes) -> Exception | None:
        """Send a frame; returns the error if that fails, which then ends the frame's runs."""
        try:
            self._links.send_frame(shard_id, body, tls)
        except Exception as error:  # noqa: BLE001 - a run's failure must not end the others
            return error
        return None

    def _prepare_next(self, sent: Sequence[R]) -> None:
        """Prepare the next step while the next stage computes and none waits for this one."""
        for run in sent:
            run.catch_up()
        self._busy_wait_seconds = 0.0
        runs = [run for run in sent if self._runs.find(run.id) is run]
        step = prepare_step(runs, self._shard) if self._return_together(runs) else None
        if step is None:
            return
        self._busy_wait_seconds = self._settings.busy_wait_seconds
        # With other runs or events, other rows come first.
        if len(runs) == len(self._runs) and not len(self._inbox):
            step.warm_caches()

    def _end_stale(self) -> None:
        now = time.monotonic()
        if now - self._checked_at >= self._settings.watch_seconds:
            self._checked_at = now
            self._end_stale_runs()

    # -- what each role defines ----------------------------------------------------------------

    @abstractmethod
    def _is_busy(self) -> bool:
        """Whether there is work to do without another event."""

    @abstractmethod
    def _has_other_work(self) -> bool:
        """Whether other rows could be computed together with those of a prepared step."""

    @abstractmethod
    def _on_frame(self, sender: bytes, body: bytes) -> None:
        """Handle a received frame."""

    @abstractmethod
    def _on_event(self, event: object) -> None:
        """Handle any other event."""

    @abstractmethod
    def _advance(self, step: PreparedStep[R], body: bytes) -> Sequence[R] | None:
        """Make a prepared step, whose frame `body` was copied into it; returns the runs that
        advanced. None if it cannot be computed: the frame then takes the regular path.
        """

    @abstractmethod
    def _next_batch(self) -> Batch[R]:
        """The rows that the scheduler chooses."""

    @abstractmethod
    def _return_together(self, runs: Sequence[R]) -> bool:
        """Whether these runs, and no others, will be in one of the next frames."""

    @abstractmethod
    def _end_stale_runs(self) -> None:
        """End the runs that made no progress for too long."""

    @abstractmethod
    def _end_all_runs(self) -> None:
        """The loop was closed."""
