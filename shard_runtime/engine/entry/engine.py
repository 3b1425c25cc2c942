# SPDX-License-Identifier: Apache-2.0
"""The entry's role in the main loop: it embeds tokens, chooses the next ones from the rows that
return, and ends each run with the stages' receipts.

While the next stages compute one step, the entry computes the next one with other runs, so that all
stages work at the same time.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from shard_runtime.backends.shard import Shard, Span
from shard_runtime.engine.computing import StepPart
from shard_runtime.engine.entry.heartbeat_sender import HeartbeatSender
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.engine.entry.intake import EntryIntake
from shard_runtime.engine.entry.run import EntryRun
from shard_runtime.engine.entry.runs import EntryRuns
from shard_runtime.engine.entry.shard_performance import ShardPerformance
from shard_runtime.engine.inbox import PeerLost, PeerOffended, PeerSilent
from shard_runtime.engine.loop import Batch, EngineLoop, LoopSettings
from shard_runtime.engine.prepared_step import PreparedStep
from shard_runtime.engine.receipts import check_receipts, sign_receipt
from shard_runtime.errors import EntryClosed
from shard_runtime.links.frames import Kind, encode, kind_of
from shard_runtime.links.hidden_states import OutgoingRows, hidden_to_bytes
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Links
from teetee.protocol.receipts import SignedReceipt

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySettings(LoopSettings):
    """Limits of an entry."""

    silent_seconds: float = 60.0
    """How long nothing may return for a run although all its stages answer heartbeats."""
    heartbeats: HeartbeatSettings = field(default_factory=HeartbeatSettings)


@dataclass(frozen=True, slots=True)
class _RunBegins:
    run: EntryRun


@dataclass(frozen=True, slots=True)
class _CallerLeft:
    run: EntryRun


class EntryEngine(EngineLoop[EntryRun]):
    """All runs of an entry, on one thread."""

    _runs: EntryRuns

    def __init__(
        self,
        *,
        shard: Shard,
        identity: StageIdentity,
        links: Links,
        directory: PeerDirectory,
        settings: EntrySettings,
        performance: ShardPerformance,
    ) -> None:
        super().__init__(
            thread_name="entry",
            shard=shard,
            identity=identity,
            links=links,
            settings=settings,
        )
        self._max_silent_seconds = settings.silent_seconds
        self._heartbeat_timeout_seconds = settings.heartbeats.timeout_seconds
        self._heartbeats = HeartbeatSender(
            self_id=identity.shard_id,
            links=links,
            directory=directory,
            settings=settings.heartbeats,
            performance=performance,
            on_timeout=lambda shard_id: self._inbox.put(PeerSilent(shard_id), urgent=True),
        )
        self._runs = EntryRuns(
            pool=self._pool,
            scheduler=self._scheduler,
            heartbeats=self._heartbeats.monitor,
            links=links,
            self_id=identity.shard_id,
            gate=self._gate,
        )
        self._intake = EntryIntake(self._runs, shard.architecture.hidden_size, self._gate)
        self._undecided: list[tuple[EntryRun, torch.Tensor]] = []
        """Runs whose positions have all returned, with the row that decides the next token."""
        self.closing = threading.Event()

    @property
    def has_ended(self) -> bool:
        """Whether it was closed and has notified all callers."""
        return self.closing.is_set() and not self._thread.is_alive()

    def start(self) -> None:
        """Start the links, the loop and the heartbeats."""
        self._links.start(self._receive, self._inbox.put_peer_lost)
        self._thread.start()
        self._heartbeats.start()

    def close(self) -> None:
        """End the open runs with `EntryClosed`, then the threads and the links."""
        self.closing.set()
        self._inbox.close()
        self._heartbeats.close()
        if self._thread.is_alive():
            self._thread.join()
        self._links.close()

    def begin(self, run: EntryRun) -> None:
        """Queue a run; its outcome goes into `run.updates`."""
        self._inbox.put(_RunBegins(run))

    def leave(self, run: EntryRun) -> None:
        """End a run whose caller left, if it has not ended."""
        self._inbox.put(_CallerLeft(run))

    # -- events --------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        if self._undecided:
            return True
        if not self._scheduler.waiting:
            return False
        return self._scheduler.has_work(self._window(self._runs.longest_path))

    _has_other_work = _is_busy

    def _window(self, stages: int) -> int:
        """Prompt positions in flight over one path: for each stage one chunk in work and one that
        waits. More would only make the queues longer.
        """
        return 2 * stages * self._settings.chunk

    def _on_frame(self, sender: bytes, body: bytes) -> None:
        returned, finished = self._intake.read_frame(sender, body)
        for run, hidden, data in returned:
            self._on_returned(run, hidden, data)
        if finished is not None:
            run, frame = finished
            with self._runs.aborting_on_error(run):
                self._complete(run, frame.receipts)

    def _on_event(self, event: object) -> None:
        match event:
            case _RunBegins(run):
                self._runs.enqueue(run)
            case _CallerLeft(run):
                self._runs.cancel(run)
            case PeerLost(shard_id):
                self._runs.abort_through(shard_id)
            case PeerOffended(tls):
                self._runs.abort_over_offender(tls)
            case PeerSilent(shard_id):
                self._runs.abort_through(shard_id, self._heartbeat_timeout_seconds)

    def _receive(self, sender: bytes, body: bytes) -> None:
        """Called by reading threads. Raises `PeerRefused`."""
        self._gate.admit(sender, body)
        if kind_of(body) == Kind.ALIVE:
            self._heartbeats.record_reply(sender, body)
        else:
            self._inbox.put_frame(sender, body)

    # -- one step ------------------------------------------------------------------------------

    def _next_batch(self) -> Batch[EntryRun]:
        """The rows of the next step, embedded. As many steps in flight as a path has stages keep
        all of them at work.
        """
        self._choose_tokens()
        self._runs.admit()
        stages = self._runs.longest_path
        chosen = []
        for share in self._scheduler.next(stages, self._window(stages)):
            run = self._runs.find(share.run)
            assert run is not None
            assert run.cache is not None
            span = Span(run.cache, run.positions_sent, share.rows)
            chosen.append((run, span, run.next_tokens(share.rows)))
        if not chosen:
            return []
        embedded = self._shard.embed(tuple(token for *_, tokens in chosen for token in tokens))
        sizes = [span.rows for _, span, _ in chosen]
        rows = torch.split(embedded, sizes) if len(sizes) > 1 else (embedded,)
        return [
            (run, StepPart(span, each)) for (run, span, _), each in zip(chosen, rows, strict=True)
        ]

    def _add_outgoing(self, outgoing: OutgoingRows, run: EntryRun, hidden: torch.Tensor) -> None:
        data = hidden_to_bytes(hidden)
        segment = run.make_segment(hidden.shape[0], data)
        if run.stages == 1:
            self._on_returned(run, hidden, data)
        else:
            outgoing.add(run.next_shard, run.next_tls, segment, data)

    def _advance(self, step: PreparedStep[EntryRun], body: bytes) -> Sequence[EntryRun]:
        received = step.split_rows(body)
        chosen = self._choose(step.runs, step.rows)
        frame = self._compute_next(step) if len(chosen) == len(received) else None
        advanced: Sequence[EntryRun] = ()
        if frame is None:
            for run, row in zip(step.runs, received, strict=True):
                run.on_prepared_returned(row)
            self._continue_runs(chosen)
        else:
            error = self._try_send(step.next_shard, frame, step.next_tls)
            for run, piece in chosen:
                run.publish(piece)
            if error is not None:
                self._runs.abort_each(step.runs, error)
            else:
                advanced = step.runs
                for run, row, sent in zip(advanced, received, step.split_rows(frame), strict=True):
                    run.advance(row, sent)
        self._runs.admit()
        return advanced

    def _compute_next(self, step: PreparedStep[EntryRun]) -> bytes | None:
        """The new tokens' rows as the outgoing frame; None if some run is finishing, or the rows
        cannot be computed together.
        """
        requests = [run.request for run in step.runs]
        if any(request.is_finishing for request in requests):
            return None
        try:
            step.rows.copy_(self._shard.embed(tuple(each.history[-1] for each in requests)))
            return step.compute()
        except Exception as error:  # noqa: BLE001 - as in `compute`, which tries again, each run alone
            _log.error("a step failed", extra={"kind": type(error).__name__})
            return None

    def _return_together(self, runs: Sequence[EntryRun]) -> bool:
        return self._scheduler.is_even(len(runs), self._runs.longest_path)

    # -- tokens --------------------------------------------------------------------------------

    def _choose_tokens(self) -> None:
        """Choose the next token of each run whose last position has returned."""
        undecided = [(run, row) for run, row in self._undecided if self._runs.find(run.id)]
        self._undecided = []
        if undecided:
            rows = torch.stack([row for _, row in undecided])
            self._continue_runs(self._choose([run for run, _ in undecided], rows))

    def _choose(self, runs: Sequence[EntryRun], rows: torch.Tensor) -> list[tuple[EntryRun, str]]:
        """Each run's next token; returns the text that it makes certain. rows: (N, H), their last
        ones.
        """
        chosen = []
        with self._runs.aborting_on_error(*runs):
            for run, scores in zip(runs, self._shard.logits(rows), strict=True):
                with self._runs.aborting_on_error(run):
                    chosen.append((run, run.request.choose(scores)))
        return chosen

    def _continue_runs(self, chosen: Sequence[tuple[EntryRun, str]]) -> None:
        """Publish the text, then queue the new token or finish the run."""
        for run, piece in chosen:
            with self._runs.aborting_on_error(run):
                run.publish(piece)
                if run.request.is_finishing:
                    self._finish(run)
                else:
                    self._scheduler.add(run.id, 1, lane=run.path)

    # -- the end of a run ----------------------------------------------------------------------

    def _on_returned(self, run: EntryRun, hidden: torch.Tensor, data: bytes) -> None:
        """Rows returned from the last layer."""
        run.on_returned(hidden.shape[0], data)
        self._scheduler.on_returned(run.id, hidden.shape[0])
        if run.all_returned and run.request.is_finishing:
            with self._runs.aborting_on_error(run):
                self._finish(run)
        elif run.all_returned:
            self._undecided.append((run, hidden[-1]))

    def _finish(self, run: EntryRun) -> None:
        received, sent, _ = run.commitments()
        receipt = sign_receipt(
            run.binding,
            self._identity,
            self._shard.layers,
            end_position=run.positions_sent,
            received=received,
            sent=sent,
            previous=None,
        )
        frame = run.finish(receipt)
        if run.stages == 1:
            self._complete(run, frame.receipts)
        else:
            self._links.send_frame(run.next_shard, encode(frame), run.next_tls)

    def _complete(self, run: EntryRun, receipts: tuple[SignedReceipt, ...]) -> None:
        """Every stage has signed. Raises `ReceiptInvalid`, `CommitmentMismatch`."""
        _, _, returned = run.commitments()
        check_receipts(
            run.binding,
            self._identity.domain,
            receipts,
            end_position=run.positions_sent,
            returned=returned,
        )
        self._runs.end_run(run)
        run.publish(run.request.generation(receipts))

    def _end_stale_runs(self) -> None:
        self._runs.abort_silent(self._max_silent_seconds)

    def _end_all_runs(self) -> None:
        for run in self._runs:
            self._runs.abort_with_error(run, EntryClosed())
