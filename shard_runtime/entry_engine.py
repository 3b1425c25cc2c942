"""The thread that drives an entry's runs: what came in, one chunk or token of one run, again.

Runs take turns chunk by chunk and token by token, so that while one is on its way through the other
stages, the next is computed here. What goes wrong with one run ends that run alone.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from shard_runtime import activations
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
    Finish,
    Frame,
    Hidden,
    Place,
    RunId,
    decode,
    encode,
    place_of,
)
from shard_runtime.generation import EntryRun
from shard_runtime.identity import StageIdentity
from shard_runtime.inbox import Arrived, Inbox, PeerLost
from shard_runtime.links.seam import Links
from shard_runtime.model.shard import Shard
from shard_runtime.receipts import check_receipts, sign_receipt
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
    chunk: int = 256
    """Positions of a prompt that are computed at once."""
    window: int = 1024
    """Positions of one run that may be on their way: bounds what waits at every stage."""
    silent_seconds: float = 60.0
    """How long nothing may come back for a run."""
    watch_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class _Begin:
    run: EntryRun


@dataclass(frozen=True, slots=True)
class _Leave:
    run: EntryRun


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
        self._runs: dict[RunId, EntryRun] = {}
        self._ready: deque[EntryRun] = deque()
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

    def start(self) -> None:
        self._links.start(self._inbox.arrive, self._inbox.lose)
        self._thread.start()

    def close(self) -> None:
        """End what is open with `EntryClosed`, then the thread and the links."""
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join()
        self._links.close()

    def begin(self, run: EntryRun) -> None:
        """Take up a run; what becomes of it goes into `run.updates`."""
        self._inbox.put(_Begin(run))

    def leave(self, run: EntryRun) -> None:
        """Its caller is gone: end the run, if it has not ended."""
        self._inbox.put(_Leave(run))

    def step(self) -> None:
        """What came in, then one chunk or token of one run."""
        self._take_events()
        if self._ready:
            self._advance(self._ready.popleft())
        self._end_silent()

    def _work(self) -> None:
        while not self._inbox.closed:
            self.step()
        for run in list(self._runs.values()):
            self._fail(run, EntryClosed())

    def _take_events(self) -> None:
        event = self._inbox.take(0 if self._ready else self._settings.watch_seconds)
        while event is not None:
            if isinstance(event, _Begin):
                self._begin(event.run)
            elif isinstance(event, _Leave):
                if event.run.id in self._runs:
                    self._fail(event.run, RunCancelled())
            elif isinstance(event, PeerLost):
                self._without(event.shard_id)
            elif isinstance(event, Arrived):
                self._take(event.sender, event.body)
            event = self._inbox.take(0)

    def _begin(self, run: EntryRun) -> None:
        with self._ending(run):
            run.cache = self._pool.open(run.capacity)
            self._runs[run.id] = run
            if run.stages > 1:
                self._links.send(run.path[1], encode(run.opening()))
            self._ready.append(run)

    def _advance(self, run: EntryRun) -> None:
        if run.id in self._runs and run.may_feed(self._settings.window):
            with self._ending(run):
                self._compute(run)

    @contextmanager
    def _ending(self, run: EntryRun) -> Iterator[None]:
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

    def _compute(self, run: EntryRun) -> None:
        assert run.cache is not None
        first = run.fed
        tokens = run.feed(self._settings.chunk)
        hidden = self._shard.forward_one(self._shard.embed(tokens), run.cache, first)
        rows = activations.to_bytes(hidden)
        run.leave(rows)
        if run.stages == 1:
            self._returned(run, hidden, rows)
            return
        place = Place(run.id, 1, run.sequence_out, first)
        run.sequence_out += 1
        frame = Hidden(place, len(tokens), hidden.shape[1], memoryview(rows))
        self._links.send(run.path[1], encode(frame))
        if run.may_feed(self._settings.window):
            self._ready.append(run)

    def _returned(self, run: EntryRun, hidden: torch.Tensor, data: bytes) -> None:
        """Rows came out of the last layer."""
        run.take(hidden.shape[0], data)
        if run.wants_token:
            run.choose(self._shard.logits(hidden[-1]))
        if run.is_finishing:
            self._finish(run)
        elif run not in self._ready and run.may_feed(self._settings.window):
            self._ready.append(run)

    def _finish(self, run: EntryRun) -> None:
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

    def _complete(self, run: EntryRun, receipts: tuple[SignedReceipt, ...]) -> None:
        """Every stage has signed. Raises `ReceiptInvalid`, `CommitmentMismatch`."""
        _, _, taken = run.commitments()
        check_receipts(
            run.binding, self._identity.domain, receipts, end_position=run.fed, returned=taken
        )
        self._end(run)
        run.updates.put(run.generation(receipts))

    def _take(self, sender: bytes, body: bytes) -> None:
        """A frame from the last stage, or an abort from any stage of a run's path."""
        place = place_of(body)
        run = self._runs.get(place.run) if place is not None else None
        if run is None or sender not in [peer.tls for peer in run.binding.peers[1:]]:
            return  # of a run that has ended, or none of the sender's business
        with self._ending(run):
            frame = decode(body)
            if isinstance(frame, Abort):
                self._fail(run, error_of(frame, run.path))
            elif sender == run.binding.peers[-1].tls:
                self._take_returned(run, frame)

    def _take_returned(self, run: EntryRun, frame: Frame) -> None:
        if frame.place != Place(run.id, run.stages, run.sequence_in, run.returned):
            raise FrameInvalid("is out of order, or of another hop or position")
        run.sequence_in += 1
        if isinstance(frame, Hidden) and run.returned + frame.rows <= run.fed:
            hidden = activations.from_frame(frame, self._shard.architecture.hidden_size)
            self._returned(run, hidden, bytes(frame.data))
        elif isinstance(frame, Finish) and run.receipt is not None:
            if frame.end_position != run.fed or frame.receipts[:1] != (run.receipt,):
                raise FrameInvalid("ends the run at another position, or without our receipt")
            self._complete(run, frame.receipts)
        else:
            raise FrameInvalid("is not due")

    def _without(self, shard_id: ShardId) -> None:
        for run in list(self._runs.values()):
            if run.stages > 1 and run.path[1] == shard_id:
                self._fail(run, StageFailed(1, shard_id, Fault.LINK_LOST))

    def _end_silent(self) -> None:
        now, limit = time.monotonic(), self._settings.silent_seconds
        if now - self._looked_at < self._settings.watch_seconds:
            return
        self._looked_at = now
        for run in list(self._runs.values()):
            outstanding = run.returned < run.fed or run.is_finishing
            if outstanding and now - run.progress_at > limit:
                self._fail(run, StageSilent(run.path[1:], limit))

    def _fail(self, run: EntryRun, error: TeeTeeError) -> None:
        """End the run here and at every stage that may know of it."""
        if self._end(run):
            for shard_id in run.path[1:]:
                self._tell(shard_id, run)
        run.updates.put(error)

    def _tell(self, shard_id: ShardId, run: EntryRun) -> None:
        try:
            self._links.send(shard_id, encode(Abort(Place(run.id, 0, 0, 0), Fault.CANCELLED, 0)))
        except LinkCongested:
            _log.warning("a stage does not read and is not told", extra={"shard": shard_id})

    def _end(self, run: EntryRun) -> bool:
        """Free the run's cache. Whether it was open."""
        if run.cache is not None:
            self._pool.close(run.cache)
            run.cache = None
        return self._runs.pop(run.id, None) is not None
