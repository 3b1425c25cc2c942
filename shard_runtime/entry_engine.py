"""The thread that drives an entry's runs: what came in, the next batch, who fell silent, again.

What goes wrong with one run ends that run alone; its caller decides whether there is another path.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from shard_runtime import activations
from shard_runtime.attempt import Attempt
from shard_runtime.errors import (
    EntryClosed,
    FrameInvalid,
    LinkCongested,
    RunCancelled,
    StageFailed,
    StageMisbehaved,
    StageSilent,
)
from shard_runtime.faults import Fault
from shard_runtime.frames import (
    Abort,
    Batch,
    Beat,
    Finish,
    Frame,
    Hidden,
    Place,
    RunId,
    decode,
    encode,
    is_batch,
    place_of,
)
from shard_runtime.generation import Ended, Suspicion
from shard_runtime.heartbeats import Heartbeats
from shard_runtime.identity import StageIdentity
from shard_runtime.inbox import Arrived, Inbox, PeerLost
from shard_runtime.links.seam import Links
from shard_runtime.model.batch import Span
from shard_runtime.model.shard import Shard
from shard_runtime.outgoing_rows import Row, bundles
from shard_runtime.receipts import check_receipts, sign_receipt
from shard_runtime.scheduler import Scheduler, Share
from shard_runtime.surrender import error_of
from teetee.errors import TeeTeeError
from teetee.identifiers import ShardId
from teetee.receipts import SignedReceipt

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EntrySettings:
    """Bounds of an entry."""

    cache_bytes: int = 1 << 30
    """For keys and values of all runs together."""
    runs: int = 64
    chunk: int = 64
    """Positions of prompts that are computed in one batch."""
    window: int = 256
    """Positions of one run that may be on their way: bounds what waits at every stage."""
    silent_seconds: float = 60.0
    """How long nothing may come back for a run."""
    beat_seconds: float = 0.5
    """Between two questions whether a stage is there."""
    beat_silent_seconds: float = 1.5
    """How long a stage may leave them unanswered before another path is looked for."""
    watch_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class _Begin:
    run: Attempt


@dataclass(frozen=True, slots=True)
class _Leave:
    run: Attempt


@dataclass(frozen=True, slots=True)
class _Returned:
    run: Attempt
    hidden: torch.Tensor
    data: bytes


class EntryEngine:
    """All runs of an entry, on one thread."""

    def __init__(
        self, *, shard: Shard, identity: StageIdentity, links: Links, settings: EntrySettings
    ) -> None:
        self._shard = shard
        self._identity = identity
        self._links = links
        self._settings = settings
        self._pool = shard.cache_pool(settings.cache_bytes)
        # Without a limit: an entry that stopped reading would stop the ring that it waits for.
        # What can come in is bounded by what the runs' windows let out.
        self._inbox = Inbox()
        self._runs: dict[RunId, Attempt] = {}
        self._line: Scheduler[Attempt] = Scheduler(chunk=settings.chunk, window=settings.window)
        self._beats = Heartbeats(
            every=settings.beat_seconds, silent_after=settings.beat_silent_seconds
        )
        self._looked_at = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="entry", daemon=True)

    @property
    def open_runs(self) -> int:
        return len(self._runs)

    @property
    def cache_bytes_used(self) -> int:
        return self._pool.used

    @property
    def ended(self) -> bool:
        """Whether it was closed and has told all callers."""
        return self._inbox.closed and not self._thread.is_alive()

    def round_trip(self, shard_id: ShardId) -> float | None:
        """To a stage and back, in s, as measured while it was in use."""
        return self._beats.round_trip(shard_id)

    def start(self) -> None:
        self._links.start(self._inbox.arrive, self._inbox.lose)
        self._thread.start()

    def close(self) -> None:
        """End what is open with `EntryClosed`, then the thread and the links."""
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join()
        self._links.close()

    def begin(self, run: Attempt) -> None:
        """Take up a run; what becomes of it goes into its draft's updates."""
        self._inbox.put(_Begin(run))

    def leave(self, run: Attempt) -> None:
        """Its caller is gone: end the run, if it has not ended."""
        self._inbox.put(_Leave(run))

    def step(self) -> None:
        """What came in, then the next batch."""
        self._take_events()
        self._compute(self._line.next())
        self._watch()

    def _work(self) -> None:
        while not self._inbox.closed:
            self.step()
        for run in list(self._runs.values()):
            self._fail(run, EntryClosed())

    # ------------------------------------------------------------ what came in

    def _take_events(self) -> None:
        """All that waits; where nothing can be computed, something is waited for."""
        returned: list[_Returned] = []
        event = self._inbox.take(0 if self._can_compute() else self._patience())
        while event is not None:
            if isinstance(event, _Begin):
                self._begin(event.run)
            elif isinstance(event, _Leave):
                if event.run.id in self._runs:
                    self._fail(event.run, RunCancelled())
            elif isinstance(event, PeerLost):
                self._without(event.shard_id)
            elif isinstance(event, Arrived):
                returned += self._take(event.sender, event.body)
            event = self._inbox.take(0)
        if returned:
            self._go_on(returned)

    def _can_compute(self) -> bool:
        return any(run.waiting > 0 and run.under_way < self._settings.window for run in self._line)

    def _patience(self) -> float:
        watch, beat = self._settings.watch_seconds, self._settings.beat_seconds
        return min(watch, beat) if self._runs else watch

    def _begin(self, run: Attempt) -> None:
        with self._ending(run):
            run.cache = self._pool.open(run.draft.capacity)
            self._runs[run.id] = run
            if run.stages > 1:
                self._links.send(run.path[1], encode(run.opening()))
            self._line.add(run)

    def _take(self, sender: bytes, body: bytes) -> list[_Returned]:
        """A frame from the last stage, an abort from any stage of a run's path, or an answer."""
        try:
            frame = decode(body)
        except FrameInvalid:
            self._blame_garbled(sender, body)
            return []
        if isinstance(frame, Beat):
            self._hear(sender, frame)
            return []
        frames: Sequence[Frame] = frame.members if isinstance(frame, Batch) else [frame]
        taken = [self._take_one(sender, each) for each in frames]
        return [each for each in taken if each is not None]

    def _take_one(self, sender: bytes, frame: Frame) -> _Returned | None:
        assert not isinstance(frame, (Batch, Beat))
        run = self._runs.get(frame.place.run)
        if run is None or sender not in [peer.tls for peer in run.binding.peers[1:]]:
            return None  # of a run that has ended, or none of the sender's business
        with self._ending(run):
            if isinstance(frame, Abort):
                self._fail(run, error_of(frame, run.path))
            elif sender == run.binding.peers[-1].tls:
                return self._take_returned(run, frame)
        return None

    def _take_returned(self, run: Attempt, frame: Frame) -> _Returned | None:
        assert not isinstance(frame, (Batch, Beat))
        if frame.place != Place(run.id, run.stages, run.sequence_in, run.returned):
            raise FrameInvalid("is out of order, or of another hop or position")
        run.sequence_in += 1
        if isinstance(frame, Hidden) and run.returned + frame.rows <= run.fed:
            hidden = activations.from_frame(frame, self._shard.architecture.hidden_size)
            data = bytes(frame.data)
            run.take(frame.rows, data)
            return _Returned(run, hidden, data)
        if isinstance(frame, Finish) and run.receipt is not None:
            if frame.end_position != run.fed or frame.receipts[:1] != (run.receipt,):
                raise FrameInvalid("ends the run at another position, or without our receipt")
            self._complete(run, frame.receipts)
            return None
        raise FrameInvalid("is not due")

    def _blame_garbled(self, sender: bytes, body: bytes) -> None:
        """What cannot be read names a run all the same, or does not."""
        place = place_of(body)
        for run in list(self._runs.values()):
            is_named = place is not None and run.id == place.run
            if (is_named or is_batch(body)) and sender == run.binding.peers[-1].tls:
                with self._ending(run):
                    raise FrameInvalid("is cut off, or has a field out of bounds")

    def _hear(self, sender: bytes, beat: Beat) -> None:
        known = (peer for run in self._runs.values() for peer in run.binding.peers)
        if beat.is_answer and any(
            peer.shard_id == beat.shard_id and peer.tls == sender for peer in known
        ):
            self._beats.heard(beat.shard_id, beat.number, time.monotonic())

    # ------------------------------------------------------------ the next batch

    def _compute(self, batch: Sequence[Share[Attempt]]) -> None:
        if not batch:
            return
        tokens: list[int] = []
        spans = []
        for share in batch:
            run, first = share.run, share.run.fed
            assert run.cache is not None
            tokens += run.feed(share.rows)
            spans.append(Span(run.cache, first, share.rows))
        try:
            hidden = self._shard.forward(self._shard.embed(tuple(tokens)), spans)
        except Exception as error:  # noqa: BLE001 - the message may hold content
            _log.error("a batch failed", extra={"kind": type(error).__name__})
            for share in batch:
                self._fail(share.run, StageFailed(0, self._identity.shard_id, Fault.INTERNAL))
            return
        self._hand_on(batch, spans, hidden)

    def _hand_on(
        self, batch: Sequence[Share[Attempt]], spans: Sequence[Span], hidden: torch.Tensor
    ) -> None:
        returned, rows = [], []
        parts = activations.parted(hidden, [share.rows for share in batch])
        for share, span, part in zip(batch, spans, parts, strict=True):
            run, data = share.run, activations.to_bytes(part)
            run.leave(data)
            if run.stages == 1:
                run.take(share.rows, data)
                returned.append(_Returned(run, part, data))
                continue
            place = Place(run.id, 1, run.sequence_out, span.first)
            run.sequence_out += 1
            frame = Hidden(place, share.rows, part.shape[1], memoryview(data))
            rows.append(Row(run.path[1], frame))
        for shard_id, bundle in bundles(rows):
            self._send(shard_id, bundle)
        if returned:
            self._go_on(returned)

    def _send(self, shard_id: ShardId, frame: Hidden | Batch) -> None:
        try:
            self._links.send(shard_id, encode(frame))
        except LinkCongested as error:
            members = frame.members if isinstance(frame, Batch) else (frame,)
            for member in members:
                self._fail(self._runs[member.place.run], error)

    def _go_on(self, returned: Sequence[_Returned]) -> None:
        """Rows came out of the last layer: those that complete what is known give a token."""
        newest = {each.run.id: each for each in returned}  # of several chunks of one run
        asking = [each for each in newest.values() if self._wants_token(each.run)]
        if asking:
            last = torch.stack([each.hidden[-1] for each in asking])
            logits = self._shard.logits(last)  # (runs, V)
            for each, scores in zip(asking, logits, strict=True):
                with self._ending(each.run):
                    each.run.draft.choose(scores)
        for each in newest.values():
            if each.run.id in self._runs and each.run.is_whole:
                with self._ending(each.run):
                    self._finish(each.run)

    def _wants_token(self, run: Attempt) -> bool:
        return run.id in self._runs and run.wants_token and not run.draft.is_done

    # ------------------------------------------------------------ the end of a run

    def _finish(self, run: Attempt) -> None:
        self._line.remove(run)
        received, sent, _ = run.commitments()
        run.receipt = sign_receipt(
            run.binding,
            self._identity,
            self._shard.layers,
            end_position=run.fed,
            received=received,
            sent=sent,
            previous=None,
        )
        if run.stages == 1:
            self._complete(run, (run.receipt,))
            return
        place = Place(run.id, 1, run.sequence_out, run.fed)
        self._links.send(run.path[1], encode(Finish(place, run.fed, (run.receipt,))))

    def _complete(self, run: Attempt, receipts: tuple[SignedReceipt, ...]) -> None:
        """Every stage has signed. Raises `ReceiptInvalid`, `CommitmentMismatch`."""
        _, _, taken = run.commitments()
        check_receipts(
            run.binding, self._identity.domain, receipts, end_position=run.fed, returned=taken
        )
        self._end(run)
        run.draft.updates.put(Ended(run.id, run.draft.generation(receipts, run.changes)))

    @contextmanager
    def _ending(self, run: Attempt) -> Iterator[None]:
        """Whatever goes wrong with a run ends that run alone."""
        try:
            yield
        except FrameInvalid as error:
            last = run.binding.peers[-1]
            rule = f"its frame {error.rule}"
            self._fail(run, StageMisbehaved(run.stages - 1, last.shard_id, rule))
        except TeeTeeError as error:
            self._fail(run, error)
        except Exception as error:  # noqa: BLE001 - the thread's boundary; the message may hold content
            _log.error("a run failed", extra={"kind": type(error).__name__})
            self._fail(run, StageFailed(0, self._identity.shard_id, Fault.INTERNAL))

    def _without(self, shard_id: ShardId) -> None:
        for run in list(self._runs.values()):
            if shard_id in run.path[1:]:
                stage = run.path.index(shard_id)
                self._fail(run, StageFailed(stage, shard_id, Fault.LINK_LOST))

    def _fail(self, run: Attempt, error: TeeTeeError) -> None:
        """End the run here and at every stage that may know of it."""
        if self._end(run):
            for shard_id in run.path[1:]:
                self._tell(shard_id, run)
        run.draft.updates.put(Ended(run.id, error))

    def _tell(self, shard_id: ShardId, run: Attempt) -> None:
        try:
            self._links.send(shard_id, encode(Abort(Place(run.id, 0, 0, 0), Fault.CANCELLED, 0)))
        except LinkCongested:
            _log.warning("a stage does not read and is not told", extra={"shard": shard_id})

    def _end(self, run: Attempt) -> bool:
        """Free the run's cache. Whether it was open."""
        self._line.remove(run)
        if run.cache is not None:
            self._pool.close(run.cache)
            run.cache = None
        return self._runs.pop(run.id, None) is not None

    # ------------------------------------------------------------ who fell silent

    def _watch(self) -> None:
        now = time.monotonic()
        self._beats.watch((each for run in self._runs.values() for each in run.path[1:]), now)
        for shard_id, number in self._beats.due(now):
            self._ask(shard_id, number)
        silent = self._beats.fallen_silent(now)
        for run in self._runs.values():
            if lost := silent & frozenset(run.path[1:]):
                run.draft.updates.put(Suspicion(run.id, lost))
        self._end_silent(now)

    def _ask(self, shard_id: ShardId, number: bytes) -> None:
        try:
            beat = Beat(number, self._identity.shard_id, is_answer=False)
            self._links.send(shard_id, encode(beat))
        except LinkCongested:
            _log.warning("a stage does not read and is not asked", extra={"shard": shard_id})

    def _end_silent(self, now: float) -> None:
        if now - self._looked_at < self._settings.watch_seconds:
            return
        self._looked_at = now
        limit = self._settings.silent_seconds
        for run in list(self._runs.values()):
            outstanding = run.under_way > 0 or run.draft.is_done
            if outstanding and now - run.progress_at > limit:
                self._fail(run, StageSilent(run.path[1:], limit))
