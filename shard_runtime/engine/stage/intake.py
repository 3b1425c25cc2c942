# SPDX-License-Identifier: Apache-2.0
"""What other stages and entries send to a stage, judged: runs are opened, rows wait to be computed,
receipts are signed. What is not due, or comes from whom it is not due, ends its run, or is dropped.
"""

import logging

from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.shard import Shard
from shard_runtime.engine.abort_mapping import reason_for
from shard_runtime.engine.receipts import RunBinding, check_commitment, check_receipt, sign_receipt
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.engine.stage.run import StageRun
from shard_runtime.engine.stage.runs import StageRuns
from shard_runtime.errors import FrameInvalid, PathInvalid, PeerUnknown
from shard_runtime.links import hidden_states as activations
from shard_runtime.links.frames import (
    Abort,
    Finish,
    Hidden,
    Open,
    Place,
    RunId,
    decode,
    encode,
    places_of,
)
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.peers import PeerDirectory, resolve_path
from shard_runtime.links.port import Links
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class StageIntake:
    """For the thread that computes."""

    def __init__(
        self,
        *,
        shard: Shard,
        identity: StageIdentity,
        links: Links,
        directory: PeerDirectory,
        runs: StageRuns,
        scheduler: Scheduler,
    ) -> None:
        self._shard = shard
        self._width = shard.architecture.hidden_size
        self._identity = identity
        self._links = links
        self._directory = directory
        self._runs = runs
        self._scheduler = scheduler

    def take(self, sender: bytes, body: bytes) -> None:
        """One frame."""
        try:
            frame = decode(body)
            if isinstance(frame, Hidden):
                self._take_hidden(sender, frame)
            elif isinstance(frame, Open):
                self._open(sender, frame)
            elif isinstance(frame, Abort):
                self._abort(sender, frame)
            elif isinstance(frame, Finish) and (run := self._find(frame.place.run, sender)):
                self._finish(run, frame)
        except Exception as error:  # noqa: BLE001 - a run's failure must not be the service's
            named = (self._find(place.run, sender) for place in places_of(body))
            concerned = [run for run in named if run is not None]
            if not concerned:
                _log.warning("a frame was refused", extra={"kind": type(error).__name__})
            for run in concerned:
                self._runs.give_up(run, error)

    def _find(self, run_id: RunId, sender: bytes) -> StageRun | None:
        """The run, if it is the sender who hands it on to us."""
        run = self._runs.find(run_id)
        return run if run is not None and run.previous_tls == sender else None

    def _take_hidden(self, sender: bytes, frame: Hidden) -> None:
        for segment, rows, data in activations.of_segments(frame, self._width):
            run = self._find(segment.place.run, sender)
            if run is None:
                continue
            try:
                run.expect(segment.place)
                activations.check_finite(rows)
                run.take(rows, data)
                self._scheduler.add(run.id, segment.rows)
            except FrameInvalid as error:
                self._runs.give_up(run, error)

    def _open(self, sender: bytes, frame: Open) -> None:
        run_id = frame.place.run
        if self._runs.find(run_id) is not None:
            return
        try:
            binding = self._bind(sender, frame)
            if self._runs.has_ended(run_id, binding.peers[0].tls):
                return
            run = self._runs.open(frame, binding)
            if run.hop + 1 < len(frame.path):
                onward = Open(
                    Place(run_id, run.hop + 1, 0, 0),
                    frame.request_id,
                    frame.model_id,
                    frame.capacity,
                    frame.path,
                    frame.salts[1:],
                )
                self._links.send(run.next_shard, encode(onward))
        except PeerUnknown as error:
            # Whoever is not active is in the way, not we who say so.
            self._refuse(frame, AbortReason.PATH_INVALID, frame.path.index(ShardId(error.shard_id)))
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(frame, *reason_for(error, frame.place.hop))

    def _refuse(self, frame: Open, reason: AbortReason, stage: int) -> None:
        self._runs.end(frame.place.run)
        self._runs.tell(frame.path[0], frame.place.run, reason, stage)

    def _bind(self, sender: bytes, frame: Open) -> RunBinding:
        """Whether the run may be opened here, by this sender. Raises what `reason_for` knows."""
        architecture, hop = self._shard.architecture, frame.place.hop
        if (frame.place.sequence, frame.place.first_position) != (0, 0):
            raise FrameInvalid("opens a run elsewhere than at its beginning")
        if frame.capacity > architecture.context_length:
            raise FrameInvalid(f"asks for {frame.capacity} positions")
        if frame.model_id != self._identity.model_id:
            raise PathInvalid(f"is of model {frame.model_id}, and we serve another")
        peers = resolve_path(self._directory, frame.path, architecture.layer_count)
        ours = (self._identity.shard_id, self._shard.layers)
        if (peers[hop].shard_id, peers[hop].layers) != ours:
            raise PathInvalid(f"has another shard at stage {hop}")
        if peers[hop - 1].tls != sender:
            raise PathInvalid(f"did not come from its stage {hop - 1}")
        return RunBinding(frame.request_id, frame.model_id, peers)

    def _finish(self, run: StageRun, frame: Finish) -> None:
        run.expect(frame.place)
        is_whole = frame.end_position == run.arrived == run.computed
        if not is_whole or len(frame.receipts) != run.hop:
            raise FrameInvalid("ends the run at another position, or has not one receipt a stage")
        received, previous = run.received.digest(), run.hop - 1
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
        self._runs.end(run.id)
        onward = Finish(run.next_place(), run.computed, (*frame.receipts, receipt))
        self._links.send(run.next_shard, encode(onward))

    def _abort(self, sender: bytes, frame: Abort) -> None:
        """The entry wants no more of a run, or of one whose opening is still on its way here."""
        run = self._runs.find(frame.place.run)
        if run is None or sender == run.entry_tls:
            self._runs.end(frame.place.run, by=sender)
