"""A stage that is not the entry: takes frames, computes its layers, hands on.

One thread does all of it, frame after frame; rows that come together are computed together. What
goes wrong with one run ends that run, frees its cache and tells its entry; the others go on.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from shard_runtime import activations
from shard_runtime.errors import FrameInvalid, LinkCongested, PathInvalid, PeerUnknown
from shard_runtime.faults import Fault
from shard_runtime.frames import (
    Abort,
    Batch,
    Beat,
    Finish,
    Hidden,
    Open,
    Place,
    RunId,
    decode,
    encode,
    is_batch,
    is_ping,
    place_of,
)
from shard_runtime.identity import StageIdentity
from shard_runtime.inbox import Arrived, Inbox, PeerLost
from shard_runtime.links.seam import Links
from shard_runtime.model.batch import Span
from shard_runtime.model.shard import Shard
from shard_runtime.outgoing_rows import Row, bundles
from shard_runtime.peers import PeerDirectory, resolve_path
from shard_runtime.receipts import RunBinding, check_commitment, check_receipt, sign_receipt
from shard_runtime.runs import RunTable, StageRun
from shard_runtime.surrender import fault_of
from teetee.identifiers import ShardId

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StageSettings:
    """Bounds of one stage."""

    cache_bytes: int = 1 << 30
    """For keys and values of all runs together."""
    runs: int = 64
    idle_seconds: float = 120.0
    """A run for which nothing comes for so long is given up."""
    inbox_bytes: int = 256 << 20
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
        self._inbox = Inbox(self._settings.inbox_bytes)
        self._looked_at = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="stage", daemon=True)

    @property
    def open_runs(self) -> int:
        return len(self._runs)

    @property
    def cache_bytes_used(self) -> int:
        return self._pool.used

    def start(self) -> None:
        """From now on frames are taken."""
        self._links.start(self._arrive, self._inbox.lose)
        self._thread.start()

    def close(self) -> None:
        """Give up what is open and end the thread. The links are closed as well."""
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join()
        self._links.close()

    def step(self) -> None:
        """One event."""
        event = self._inbox.take(self._settings.watch_seconds)
        if isinstance(event, Arrived):
            self._take(event.sender, event.body)
        elif isinstance(event, PeerLost):
            self._without(event.shard_id)
        self._end_idle()

    def _work(self) -> None:
        while not self._inbox.closed:
            self.step()
        for run in self._runs:
            self._runs.end(run.id)

    def _arrive(self, sender: bytes, body: bytes) -> None:
        """In a reading thread: who asks whether we are there is answered even while we compute."""
        if is_ping(body):
            self._answer(sender, body)
        else:
            self._inbox.arrive(sender, body)

    def _answer(self, sender: bytes, body: bytes) -> None:
        try:
            asked = decode(body)
            assert isinstance(asked, Beat)
            if self._directory.find(asked.shard_id).tls == sender:
                answer = Beat(asked.number, self._identity.shard_id, is_answer=True)
                self._links.send(asked.shard_id, encode(answer))
        except (FrameInvalid, PeerUnknown, LinkCongested) as error:
            _log.warning("a question is not answered", extra={"kind": type(error).__name__})

    def _take(self, sender: bytes, body: bytes) -> None:
        try:
            frame = decode(body)
        except FrameInvalid as error:
            self._take_garbled(sender, body, error)
            return
        if isinstance(frame, Open):
            self._open(sender, frame)
        elif isinstance(frame, Abort):
            self._abort(sender, frame)
        elif isinstance(frame, Finish):
            self._take_finish(sender, frame)
        elif isinstance(frame, (Hidden, Batch)):
            self._take_rows(sender, frame.members if isinstance(frame, Batch) else (frame,))

    def _take_garbled(self, sender: bytes, body: bytes, error: FrameInvalid) -> None:
        """What cannot be read names a run all the same, or does not."""
        place = place_of(body)
        named = [run for run in self._runs if place is not None and run.id == place.run]
        concerned = self._runs if is_batch(body) else named
        given_up = [run for run in concerned if sender == run.previous_tls]
        for run in given_up:
            self._give_up(run, error)
        if not given_up:
            _log.warning("a frame was refused", extra={"kind": type(error).__name__})

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

    def _take_rows(self, sender: bytes, frames: Sequence[Hidden]) -> None:
        """Those that are due, together; each of the others ends its own run."""
        due: list[tuple[StageRun, Hidden, torch.Tensor]] = []
        for frame in frames:
            run = self._runs.find(frame.place.run)
            if run is None or sender != run.previous_tls:
                continue
            try:
                due.append((run, frame, self._expect(run, frame)))
            except Exception as error:  # noqa: BLE001 - one run's failure must not be the service's
                self._give_up(run, error)
        if due:
            try:
                self._compute(due)
            except Exception as error:  # noqa: BLE001 - as above
                for run, _, _ in due:
                    self._give_up(run, error)

    def _expect(self, run: StageRun, frame: Hidden) -> torch.Tensor:
        """The rows, if they are due. Raises `FrameInvalid`."""
        run.expect(frame.place)
        end = run.position + frame.rows
        if end > run.cache.capacity:
            raise FrameInvalid(f"reaches position {end} of {run.cache.capacity}")
        hidden = activations.from_frame(frame, self._shard.architecture.hidden_size)
        run.received.update(bytes(frame.data))
        return hidden

    def _compute(self, due: Sequence[tuple[StageRun, Hidden, torch.Tensor]]) -> None:
        spans = [Span(run.cache, run.position, frame.rows) for run, frame, _ in due]
        hidden = self._shard.forward(torch.cat([rows for _, _, rows in due]), spans)
        outgoing = []
        parts = activations.parted(hidden, [frame.rows for _, frame, _ in due])
        for (run, frame, _), part in zip(due, parts, strict=True):
            sent = activations.to_bytes(part)
            run.sent.update(sent)
            place = Place(run.id, run.hop + 1, frame.place.sequence, run.position)
            run.position += frame.rows
            onward = Hidden(place, frame.rows, frame.width, memoryview(sent))
            outgoing.append(Row(run.next_shard, onward))
        for shard_id, bundle in bundles(outgoing):
            self._links.send(shard_id, encode(bundle))

    def _take_finish(self, sender: bytes, frame: Finish) -> None:
        run = self._runs.find(frame.place.run)
        if run is None or sender != run.previous_tls:
            return
        try:
            run.expect(frame.place)
            self._finish(run, frame)
        except Exception as error:  # noqa: BLE001 - as above
            self._give_up(run, error)

    def _finish(self, run: StageRun, frame: Finish) -> None:
        if frame.end_position != run.position or len(frame.receipts) != run.hop:
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
            end_position=run.position,
            received=received,
            sent=run.sent.digest(),
            previous=frame.receipts[previous],
        )
        self._runs.end(run.id)
        place = Place(run.id, run.hop + 1, frame.place.sequence, run.position)
        onward = Finish(place, run.position, (*frame.receipts, receipt))
        self._links.send(run.next_shard, encode(onward))

    def _abort(self, sender: bytes, frame: Abort) -> None:
        """The entry wants no more of a run, or of one whose opening is still on its way here."""
        run = self._runs.find(frame.place.run)
        if run is None or sender == run.entry_tls:
            self._runs.end(frame.place.run)

    def _without(self, shard_id: ShardId) -> None:
        for run in self._runs:
            if run.next_shard == shard_id:
                self._end(run, Fault.LINK_LOST, run.hop + 1)

    def _end_idle(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < self._settings.watch_seconds:
            return
        self._looked_at = now
        for run in self._runs:
            if now - run.used_at > self._settings.idle_seconds:
                self._end(run, Fault.IDLE, run.hop - 1)

    def _give_up(self, run: StageRun, error: Exception) -> None:
        _log.warning("a run was given up", extra={"kind": type(error).__name__})
        self._end(run, *fault_of(error, run.hop))

    def _end(self, run: StageRun, fault: Fault, stage: int) -> None:
        self._runs.end(run.id)
        self._tell(run.binding.peers[0].shard_id, run.id, fault, stage)

    def _tell(self, entry: ShardId, run: RunId, fault: Fault, stage: int) -> None:
        """The entry tells the other stages."""
        try:
            self._links.send(entry, encode(Abort(Place(run, 0, 0, 0), fault, stage)))
        except LinkCongested:
            _log.warning("an entry does not read and is not told", extra={"shard": entry})
