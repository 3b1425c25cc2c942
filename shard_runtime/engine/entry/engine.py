# SPDX-License-Identifier: Apache-2.0
"""The thread that drives an entry's runs. What goes wrong with one run ends that run alone.

A step is: what came in, the next tokens, rows of several runs through our layers, on to the next
stages. While those compute, the next step is taken, with other rows: so all stages work at once.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.shard import Shard, Span
from shard_runtime.engine.computing import Part, compute
from shard_runtime.engine.entry.heartbeat_sender import EntryPulse
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.engine.entry.intake import EntryIntake
from shard_runtime.engine.entry.measurements import Measurements
from shard_runtime.engine.entry.run import EntryRun
from shard_runtime.engine.entry.runs import EntryRuns
from shard_runtime.engine.inbox import Arrived, Inbox, PeerLost, PeerSilent
from shard_runtime.engine.prepared_step import ForeseenStep, due_step, foresee
from shard_runtime.engine.receipts import check_receipts, sign_receipt
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.errors import EntryClosed, StageFailed
from shard_runtime.links import hidden_states as activations
from shard_runtime.links.frames import Kind, encode, first_run_of, kind_of
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.outgoing_rows import OutgoingRows
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Links
from teetee.protocol.receipts import SignedReceipt

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EntrySettings:
    """Bounds of an entry."""

    cache_bytes: int = 1 << 30
    """For keys and values of all runs together."""
    rows: int = 128
    """Of one step, at most."""
    chunk: int = 64
    """Positions of prompts in one step, at most; less than `rows`."""
    silent_seconds: float = 60.0
    """How long nothing may come back for a run, though all its stages answer heartbeats."""
    heartbeats: HeartbeatSettings = field(default_factory=HeartbeatSettings)
    watch_seconds: float = 1.0
    busy_wait_seconds: float = 0.02
    """As a stage's."""


@dataclass(frozen=True, slots=True)
class _Begin:
    run: EntryRun


@dataclass(frozen=True, slots=True)
class _Leave:
    run: EntryRun


class EntryEngine:
    """All runs of an entry, on one thread."""

    def __init__(
        self,
        *,
        shard: Shard,
        identity: StageIdentity,
        links: Links,
        directory: PeerDirectory,
        settings: EntrySettings,
        measurements: Measurements,
    ) -> None:
        self._shard = shard
        self._identity = identity
        self._links = links
        self._settings = settings
        # Without a limit: an entry that stopped reading would stop the ring that it waits for.
        # What can come in is bounded by what the scheduler lets out.
        self._inbox = Inbox()
        self._scheduler = Scheduler(rows=settings.rows, chunk=settings.chunk)
        self._pulse = EntryPulse(
            ours=identity.shard_id,
            links=links,
            directory=directory,
            settings=settings.heartbeats,
            measurements=measurements,
            silent=lambda shard_id: self._inbox.put(PeerSilent(shard_id), urgent=True),
        )
        self._pool = shard.cache_pool(settings.cache_bytes)
        self._runs = EntryRuns(
            pool=self._pool,
            scheduler=self._scheduler,
            heartbeats=self._pulse.heartbeats,
            links=links,
            ours=identity.shard_id,
        )
        self._intake = EntryIntake(self._runs, shard.architecture.hidden_size)
        self._deciding: list[tuple[EntryRun, torch.Tensor]] = []
        """Runs that are through, with the row that says what follows."""
        self._awake = 0.0
        self._looked_at = time.monotonic()
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="entry", daemon=True)

    @property
    def open_runs(self) -> int:
        return len(self._runs)

    @property
    def cache_bytes_used(self) -> int:
        return self._pool.used_bytes

    @property
    def ended(self) -> bool:
        """Whether it was closed and has told all callers."""
        return self.closing.is_set() and not self._thread.is_alive()

    def start(self) -> None:
        self._links.start(self._receive, self._inbox.lose)
        self._thread.start()
        self._pulse.start()

    def close(self) -> None:
        """End what is open with `EntryClosed`, then the threads and the links."""
        self.closing.set()
        self._inbox.close()
        self._pulse.close()
        if self._thread.is_alive():
            self._thread.join()
        self._links.close()

    def begin(self, run: EntryRun) -> None:
        """Take up a run; what becomes of it goes into `run.updates`."""
        self._inbox.put(_Begin(run))

    def leave(self, run: EntryRun) -> None:
        """Its caller is gone: end the run, if it has not ended."""
        self._inbox.put(_Leave(run))

    # -- the story -----------------------------------------------------------------------------

    def step(self) -> None:
        """What came in; the next tokens; rows of several runs through our layers; on with them."""
        gone = self._take_events()
        if gone is None:
            self._choose_tokens()
            batch = self._next_batch()
            self._hand_on(batch, compute(self._shard, [part for _, part in batch]))
            gone = [run for run, _ in batch]
        else:
            self._runs.admit()
        self._prepare(gone)

    def _work(self) -> None:
        while not self._inbox.closed:
            try:
                self.step()
                self._end_silent()
            except Exception as error:  # noqa: BLE001 - the thread's boundary; the message may hold content
                _log.error("a step failed", extra={"kind": type(error).__name__})
                self._runs.fail_all(StageFailed(0, self._identity.shard_id, AbortReason.INTERNAL))
        self._runs.fail_all(EntryClosed())

    def _take_events(self) -> Sequence[EntryRun] | None:
        """All of them, or up to the frame of a step that was foreseen; gives the runs that went on
        with it then.
        """
        if self._is_busy():
            event = self._inbox.take(0)
        else:
            event = self._inbox.take(self._settings.watch_seconds, self._awake)
        while event is not None:
            if isinstance(event, Arrived) and (gone := self._go_on(event)) is not None:
                return gone
            self._take_event(event)
            event = self._inbox.take(0)
        return None

    def _go_on(self, event: Arrived) -> Sequence[EntryRun] | None:
        """Make the step that was foreseen, if this is its frame and nothing else waits; gives the
        runs that went on.
        """
        first = self._runs.find(first_run_of(event.body))
        step = due_step(first, event.sender, event.body)
        if step is None or self._is_busy() or not step.take(event.body):
            return None
        came = step.each_row(event.body)
        chosen = self._choose(step.runs, step.rows)
        frame = self._feed(step) if len(chosen) == len(came) else None
        if frame is None:
            for run, row in zip(step.runs, came, strict=True):
                run.came_back(row)
            self._tell_all(chosen)
            return ()
        with self._runs.ending(*step.runs):
            try:
                self._links.send(step.next_shard, frame)
            finally:
                for run, piece in chosen:
                    run.tell(piece)
        for run, row, gone in zip(step.runs, came, step.each_row(frame), strict=True):
            run.went_on(row, gone)
        return step.runs

    def _feed(self, step: ForeseenStep[EntryRun]) -> bytes | None:
        """The new tokens' rows, as they go on; None when not all do, or not like this."""
        requests = [run.request for run in step.runs]
        if any(request.is_finishing for request in requests):
            return None
        try:
            step.rows.copy_(self._shard.embed(tuple(each.history[-1] for each in requests)))
            return step.compute()
        except Exception as error:  # noqa: BLE001 - as in `compute`, which tries again, each run alone
            _log.error("a step failed", extra={"kind": type(error).__name__})
            return None

    def _choose_tokens(self) -> None:
        """For all runs of which the last position has come back."""
        deciding = [(run, row) for run, row in self._deciding if self._runs.find(run.id)]
        self._deciding = []
        if deciding:
            rows = torch.stack([row for _, row in deciding])
            self._tell_all(self._choose([run for run, _ in deciding], rows))

    def _choose(self, runs: Sequence[EntryRun], rows: torch.Tensor) -> list[tuple[EntryRun, str]]:
        """Each run's next token; gives the text that it makes certain. rows: (N, H), their last."""
        chosen = []
        with self._runs.ending(*runs):
            for run, scores in zip(runs, self._shard.logits(rows), strict=True):
                with self._runs.ending(run):
                    chosen.append((run, run.request.choose(scores)))
        return chosen

    def _tell_all(self, chosen: Sequence[tuple[EntryRun, str]]) -> None:
        for run, piece in chosen:
            with self._runs.ending(run):
                run.tell(piece)
                if run.request.is_finishing:
                    self._finish(run)
                else:
                    self._scheduler.add(run.id, 1, lane=run.path)

    def _next_batch(self) -> list[tuple[EntryRun, Part]]:
        """The rows of the next step, embedded. As many steps under way as a path has stages keep
        all of them at work.
        """
        self._runs.admit()
        fed = []
        for share in self._scheduler.next(self._runs.longest_path, self._window):
            run = self._runs.find(share.run)
            assert run is not None
            assert run.cache is not None
            fed.append((run, Span(run.cache, run.fed, share.rows), run.feed(share.rows)))
        if not fed:
            return []
        embedded = self._shard.embed(tuple(token for *_, tokens in fed for token in tokens))
        sizes = [span.rows for _, span, _ in fed]
        rows = torch.split(embedded, sizes) if len(sizes) > 1 else (embedded,)
        return [(run, Part(span, each)) for (run, span, _), each in zip(fed, rows, strict=True)]

    def _hand_on(
        self, batch: Sequence[tuple[EntryRun, Part]], computed: Sequence[torch.Tensor | None]
    ) -> None:
        onward = OutgoingRows(self._shard.architecture.hidden_size)
        for (run, part), hidden in zip(batch, computed, strict=True):
            if hidden is None:
                self._runs.fail(run, StageFailed(0, self._identity.shard_id, AbortReason.INTERNAL))
                continue
            data = activations.to_bytes(hidden)
            segment = run.leave(part.span.first, part.span.rows, data)
            if run.stages == 1:
                self._came_back(run, hidden, data)
            else:
                onward.add(run.next_shard, segment, data)
        for shard_id, frame in onward.frames():
            segments = frame.segments
            sent = [found for each in segments if (found := self._runs.find(each.place.run))]
            with self._runs.ending(*sent):
                self._links.send(shard_id, encode(frame))

    def _prepare(self, gone: Sequence[EntryRun]) -> None:
        """For what comes next, now that the next stage computes and nobody waits for us."""
        for run in gone:
            run.catch_up()
        self._awake = 0.0
        open_still = [run for run in gone if self._runs.find(run.id)]
        if not self._scheduler.is_even(len(open_still), self._runs.longest_path):
            return  # they come with others, or not all of them, next time
        step = foresee(open_still, self._shard)
        self._awake = 0.0 if step is None else self._settings.busy_wait_seconds
        is_alone = len(open_still) == len(self._runs)  # else others come before
        if step is not None and is_alone and not len(self._inbox):
            step.rehearse()

    def _is_busy(self) -> bool:
        """Whether there is something to do without anything coming in."""
        return bool(self._deciding) or self._scheduler.has_work(self._window)

    @property
    def _window(self) -> int:
        """Positions of prompts on their way over one path: for each stage a chunk in work and one
        that comes. More would only make everybody wait in longer lines.
        """
        return 2 * self._runs.longest_path * self._settings.chunk

    # -- the end of a run ----------------------------------------------------------------------

    def _came_back(self, run: EntryRun, hidden: torch.Tensor, data: bytes) -> None:
        """Rows came out of the last layer."""
        run.take(hidden.shape[0], data)
        run.progress_at = time.monotonic()
        self._scheduler.came_back(run.id, hidden.shape[0])
        if run.is_through and run.request.is_finishing:
            with self._runs.ending(run):
                self._finish(run)
        elif run.is_through:
            self._deciding.append((run, hidden[-1]))

    def _finish(self, run: EntryRun) -> None:
        received, sent, _ = run.commitments()
        receipt = sign_receipt(
            run.binding,
            self._identity,
            self._shard.layers,
            end_position=run.fed,
            received=received,
            sent=sent,
            previous=None,
        )
        frame = run.finish(receipt)
        if run.stages == 1:
            self._complete(run, frame.receipts)
        else:
            self._links.send(run.next_shard, encode(frame))

    def _complete(self, run: EntryRun, receipts: tuple[SignedReceipt, ...]) -> None:
        """Every stage has signed. Raises `ReceiptInvalid`, `CommitmentMismatch`."""
        _, _, taken = run.commitments()
        check_receipts(
            run.binding, self._identity.domain, receipts, end_position=run.fed, returned=taken
        )
        self._runs.end(run)
        run.tell(run.request.generation(receipts))

    def _end_silent(self) -> None:
        now = time.monotonic()
        if now - self._looked_at >= self._settings.watch_seconds:
            self._looked_at = now
            self._runs.end_silent(self._settings.silent_seconds)

    # -- what came in --------------------------------------------------------------------------

    def _take_event(self, event: object) -> None:
        heartbeats = self._settings.heartbeats
        match event:
            case Arrived(sender, body):
                self._take(sender, body)
            case _Begin(run):
                self._runs.begin(run)
            case _Leave(run):
                self._runs.cancel(run)
            case PeerLost(shard_id):
                self._runs.without(shard_id)
            case PeerSilent(shard_id):
                self._runs.without(shard_id, heartbeats.missed * heartbeats.seconds)

    def _take(self, sender: bytes, body: bytes) -> None:
        back, finished = self._intake.take(sender, body)
        for run, hidden, data in back:
            self._came_back(run, hidden, data)
        if finished is not None:
            run, frame = finished
            with self._runs.ending(run):
                self._complete(run, frame.receipts)

    def _receive(self, sender: bytes, body: bytes) -> None:
        """Called by reading threads."""
        if kind_of(body) == Kind.ALIVE:
            self._pulse.take(sender, body)
        else:
            self._inbox.arrive(sender, body)
