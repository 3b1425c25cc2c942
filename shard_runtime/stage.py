"""A stage that is not the entry: takes rows, computes its layers, hands on.

One thread does all of it, a step at a time: what came in, rows of several runs through our layers,
on to the next stages. What goes wrong with one run ends that run, frees its cache and tells its
entry; the others go on. Heartbeats are answered by the threads that read, whatever that one does.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from shard_runtime import activations
from shard_runtime.computing import Part, compute
from shard_runtime.errors import FrameInvalid, LinkCongested, PathInvalid
from shard_runtime.faults import Fault
from shard_runtime.frames import (
    Abort,
    Finish,
    Frame,
    Hidden,
    Kind,
    Load,
    Open,
    Place,
    RunId,
    decode,
    encode,
    kind_of,
    places_of,
)
from shard_runtime.identity import StageIdentity
from shard_runtime.inbox import Arrived, Inbox, PeerLost
from shard_runtime.links.seam import Links
from shard_runtime.model.batch import Span
from shard_runtime.model.shard import Shard
from shard_runtime.outgoing_rows import OutgoingRows
from shard_runtime.peers import PeerDirectory, resolve_path
from shard_runtime.receipts import RunBinding, check_commitment, check_receipt, sign_receipt
from shard_runtime.runs import RunTable, StageRun
from shard_runtime.scheduler import Scheduler
from shard_runtime.stage_pulse import StagePulse
from shard_runtime.surrender import fault_of
from teetee.identifiers import ShardId

_log = logging.getLogger(__name__)


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
        self._identity = identity
        self._links = links
        self._directory = directory
        self._settings = settings or StageSettings()
        self._pool = shard.cache_pool(self._settings.cache_bytes)
        self._runs = RunTable(self._pool, self._settings.runs)
        self._scheduler = Scheduler(rows=self._settings.rows, chunk=self._settings.chunk)
        self._inbox = Inbox(self._settings.inbox_bytes)
        self._pulse = StagePulse(identity.shard_id, links, directory, self._load)
        self._looked_at = time.monotonic()
        self._turns = 0
        self._rows_waiting = 0
        self._step_seconds = 0.0
        self._thread = threading.Thread(target=self._work, name="stage", daemon=True)

    @property
    def open_runs(self) -> int:
        return len(self._runs)

    @property
    def cache_bytes_used(self) -> int:
        return self._pool.used

    def start(self) -> None:
        """From now on frames are taken."""
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
        self._take_events()
        batch = self._next_batch()
        self._hand_on(batch, self._compute(batch))

    def _work(self) -> None:
        while not self._inbox.closed:
            self.step()
            self._end_idle()
        for run in self._runs:
            self._runs.end(run.id)

    def _take_events(self) -> None:
        timeout = 0 if self._scheduler.waiting else self._settings.watch_seconds
        while self._scheduler.waiting < self._settings.waiting_rows:
            event = self._inbox.take(timeout)
            if isinstance(event, Arrived):
                self._take(event.sender, event.body)
            elif isinstance(event, PeerLost):
                self._without(event.shard_id)
            elif event is None:
                return
            timeout = 0

    def _next_batch(self) -> list[tuple[StageRun, Part]]:
        self._rows_waiting = self._scheduler.waiting
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
            self._step_seconds += 0.1 * (time.monotonic() - began - self._step_seconds)
        self._rows_waiting = self._scheduler.waiting
        return computed

    def _hand_on(
        self, batch: Sequence[tuple[StageRun, Part]], computed: Sequence[torch.Tensor | None]
    ) -> None:
        onward = OutgoingRows(self._shard.architecture.hidden_size)
        for (run, part), hidden in zip(batch, computed, strict=True):
            if hidden is None:
                self._end(run, Fault.INTERNAL, run.hop)
                continue
            data = activations.to_bytes(hidden)
            onward.add(run.next_shard, run.leave(part.span.rows, data), data)
        for shard_id, frame in onward.frames():
            try:
                self._links.send(shard_id, encode(frame))
            except LinkCongested as error:
                for segment in frame.segments:
                    self._give_up(self._runs.find(segment.place.run), error)

    # -- what came in --------------------------------------------------------------------------

    def _receive(self, sender: bytes, body: bytes) -> None:
        """Called by reading threads."""
        if kind_of(body) == Kind.HEARTBEAT:
            self._pulse.answer(sender, body)
        else:
            self._inbox.arrive(sender, body)

    def _load(self) -> Load:
        """For reading threads: whole numbers, which may be a step old."""
        waiting = self._rows_waiting + len(self._inbox)
        step = min(round(self._step_seconds * 1e6), 2**32 - 1)
        return Load(len(self._runs), waiting, self._turns % 2**32, step)

    def _take(self, sender: bytes, body: bytes) -> None:
        named = [run for place in places_of(body) if (run := self._runs.find(place.run))]
        concerned = [run for run in named if run.previous_tls == sender]
        try:
            frame = decode(body)
            if isinstance(frame, Open):
                self._open(sender, frame)
            elif isinstance(frame, Abort):
                self._abort(sender, frame)
            elif isinstance(frame, Hidden):
                self._take_hidden(frame, {run.id: run for run in concerned})
            elif concerned:
                self._finish(concerned[0], frame)
        except Exception as error:  # noqa: BLE001 - a run's failure must not be the service's
            if not concerned:
                _log.warning("a frame was refused", extra={"kind": type(error).__name__})
            for run in concerned:
                self._give_up(run, error)

    def _take_hidden(self, frame: Hidden, concerned: dict[RunId, StageRun]) -> None:
        hidden = activations.from_frame(frame, self._shard.architecture.hidden_size)
        for segment, rows, data in frame.pieces():
            run = concerned.get(segment.place.run)
            if run is None:
                continue
            try:
                run.expect(segment.place)
                activations.check_finite(hidden[rows])
                run.take(hidden[rows], data)
                self._scheduler.add(run.id, segment.rows)
            except FrameInvalid as error:
                self._give_up(run, error)

    def _open(self, sender: bytes, frame: Open) -> None:
        run_id = frame.place.run
        if self._runs.find(run_id) is not None or self._runs.has_ended(run_id):
            return
        try:
            run = self._runs.open(frame, self._bind(sender, frame))
            if run.hop + 1 < len(frame.path):
                place = Place(run_id, run.hop + 1, 0, 0)
                onward = Open(
                    place,
                    frame.request_id,
                    frame.model_id,
                    frame.capacity,
                    frame.path,
                    frame.salts[1:],
                )
                self._links.send(run.next_shard, encode(onward))
        except Exception as error:  # noqa: BLE001 - as above
            self._runs.end(run_id)
            self._tell(frame.path[0], run_id, *fault_of(error, frame.place.hop))

    def _bind(self, sender: bytes, frame: Open) -> RunBinding:
        """Whether the run may be opened here, by this sender. Raises what `fault_of` knows."""
        architecture, hop = self._shard.architecture, frame.place.hop
        if (frame.place.sequence, frame.place.first_position) != (0, 0):
            raise FrameInvalid("opens a run elsewhere than at its beginning")
        if frame.capacity > architecture.context_length:
            raise FrameInvalid(f"asks for {frame.capacity} positions")
        if frame.model_id != self._identity.model_id:
            raise PathInvalid(f"is of model {frame.model_id}, and we serve another")
        peers = resolve_path(self._directory, frame.path, architecture.layer_count)
        if (peers[hop].shard_id, peers[hop].layers) != (
            self._identity.shard_id,
            self._shard.layers,
        ):
            raise PathInvalid(f"has another shard at stage {hop}")
        if peers[hop - 1].tls != sender:
            raise PathInvalid(f"did not come from its stage {hop - 1}")
        return RunBinding(frame.request_id, frame.model_id, peers)

    def _finish(self, run: StageRun, frame: Frame) -> None:
        run.expect(frame.place if isinstance(frame, Finish) else Place(run.id, 0, 0, 0))
        assert isinstance(frame, Finish)
        is_whole = frame.end_position == run.arrived == run.computed
        if not is_whole or len(frame.receipts) != run.hop:
            raise FrameInvalid("ends the run at another position, or has not one receipt a stage")
        received = run.received.digest()
        previous = run.hop - 1
        check_receipt(
            run.binding, self._identity.domain, previous, frame.receipts, frame.end_position
        )
        check_commitment(run.binding, previous, frame.receipts[previous], received)
        receipt = sign_receipt(
            run.binding,
            self._identity,
            self._shard.layers,
            end_position=run.computed,
            received=received,
            sent=run.sent.digest(),
            previous=frame.receipts[previous],
        )
        self._forget(run)
        onward = Finish(run.next_place(), run.computed, (*frame.receipts, receipt))
        self._links.send(run.next_shard, encode(onward))

    # -- ends ----------------------------------------------------------------------------------

    def _abort(self, sender: bytes, frame: Abort) -> None:
        """The entry wants no more of a run, or of one whose opening is still on its way here."""
        run = self._runs.find(frame.place.run)
        if run is None:
            self._runs.end(frame.place.run)
        elif sender == run.entry_tls:
            self._forget(run)

    def _without(self, shard_id: ShardId) -> None:
        """A shard is gone: so are the runs that go on to it, or belong to it."""
        for run in self._runs:
            if run.next_shard == shard_id:
                self._end(run, Fault.LINK_LOST, run.hop + 1)
            elif run.entry == shard_id:
                self._forget(run)

    def _end_idle(self) -> None:
        now, settings = time.monotonic(), self._settings
        if now - self._looked_at < settings.watch_seconds:
            return
        self._looked_at = now
        self._pulse.forget_all_but({run.entry_tls for run in self._runs})
        for run in self._runs:
            heard_at = max(run.used_at, self._pulse.heard_at(run.entry_tls))
            if (
                now - run.used_at > settings.idle_seconds
                or now - heard_at > settings.entry_silent_seconds
            ):
                self._end(run, Fault.IDLE, run.hop - 1)

    def _give_up(self, run: StageRun | None, error: Exception) -> None:
        if run is not None:
            _log.warning("a run was given up", extra={"kind": type(error).__name__})
            self._end(run, *fault_of(error, run.hop))

    def _end(self, run: StageRun, fault: Fault, stage: int) -> None:
        self._forget(run)
        self._tell(run.entry, run.id, fault, stage)

    def _forget(self, run: StageRun) -> None:
        """Free what the run holds."""
        self._runs.end(run.id)
        self._scheduler.drop(run.id)

    def _tell(self, entry: ShardId, run: RunId, fault: Fault, stage: int) -> None:
        """The entry tells the other stages."""
        try:
            self._links.send(entry, encode(Abort(Place(run, 0, 0, 0), fault, stage)))
        except LinkCongested:
            _log.warning("an entry does not read and is not told", extra={"shard": entry})
