# SPDX-License-Identifier: Apache-2.0
"""Handles the frames that a stage receives: opens runs, queues rows, signs receipts. An unexpected
frame aborts its run; one from the wrong sender is dropped.
"""

import logging

from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.shard import Shard
from shard_runtime.engine.abort_mapping import reason_for
from shard_runtime.engine.frame_gate import FrameGate
from shard_runtime.engine.receipts import RunBinding, check_commitment, check_receipt, sign_receipt
from shard_runtime.engine.scheduler import Scheduler
from shard_runtime.engine.stage.admission import RunAdmission
from shard_runtime.engine.stage.run import StageRun
from shard_runtime.engine.stage.runs import StageRuns
from shard_runtime.errors import (
    FrameInvalid,
    IdentityDisputed,
    PathInvalid,
    PeerUnknown,
)
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
from shard_runtime.links.hidden_states import check_finite, split_segments
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.peers import PeerDirectory, resolve_path
from shard_runtime.links.port import Links
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class StageIntake:
    """For the computing thread."""

    def __init__(
        self,
        *,
        shard: Shard,
        identity: StageIdentity,
        links: Links,
        directory: PeerDirectory,
        runs: StageRuns,
        scheduler: Scheduler,
        gate: FrameGate,
        admission: RunAdmission,
    ) -> None:
        self._shard = shard
        self._width = shard.architecture.hidden_size
        self._identity = identity
        self._links = links
        self._directory = directory
        self._runs = runs
        self._scheduler = scheduler
        self._gate = gate
        self._admission = admission

    def read_frame(self, sender: bytes, body: bytes) -> None:
        """Handle one frame."""
        try:
            frame = decode(body)
            if isinstance(frame, Hidden):
                self._read_hidden(sender, frame)
            elif isinstance(frame, Open):
                self._open_run(sender, frame)
            elif isinstance(frame, Abort):
                self._end_run(sender, frame)
            elif isinstance(frame, Finish) and (run := self._find(frame.place.run, sender)):
                self._finish_run(run, frame)
        except Exception as error:  # noqa: BLE001 - a run's failure must not be the service's
            named = (self._find(place.run, sender) for place in places_of(body))
            concerned = [run for run in named if run is not None]
            rule = "sends a malformed frame that names no run of its own"
            if not concerned and self._gate.report(sender, rule):
                facts = {"kind": type(error).__name__, "peer": f"0x{sender.hex()}"}
                _log.warning("a frame was refused", extra=facts)
            self._runs.abort_each(concerned, error)

    def _find(self, run_id: RunId, sender: bytes) -> StageRun | None:
        """The open run, if it is the sender that passes it on to us."""
        run = self._runs.find(run_id)
        return run if run is not None and run.previous_tls == sender else None

    def _read_hidden(self, sender: bytes, frame: Hidden) -> None:
        for segment, rows, data in split_segments(frame, self._width):
            run = self._find(segment.place.run, sender)
            if run is None:
                continue
            try:
                run.accept(segment.place)
                check_finite(rows)
                run.on_received(rows, data)
                if run.is_admitted:
                    self._scheduler.add(run.id, segment.rows)
                else:
                    self._admission.limit_waiting_rows()
            except FrameInvalid as error:
                self._runs.abort_with_error(run, error)

    def _open_run(self, sender: bytes, frame: Open) -> None:
        run_id = frame.place.run
        if self._runs.find(run_id) is not None:
            return
        try:
            binding = self._bind(sender, frame)
            if self._runs.has_ended(run_id, binding.peers[0].tls):
                self._gate.forget(run_id)
                return
            run = self._runs.open_run(frame, binding)
            if not self._admission.ask(run):
                return
            if run.hop + 1 < len(frame.stages):
                onward = Open(
                    Place(run_id, run.hop + 1, 0, 0),
                    frame.request_id,
                    frame.model_id,
                    frame.capacity,
                    frame.stages,
                    frame.salts[1:],
                )
                self._links.send_frame(run.next_shard, encode(onward), run.next_tls)
        except PeerUnknown as error:
            # The shard that is not active causes the failure, not this stage that reports it.
            stage = frame.path.index(ShardId(error.shard_id))
            self._runs.refuse(frame, AbortReason.PATH_INVALID, stage)
        except Exception as error:  # noqa: BLE001 - as above
            self._runs.refuse(frame, *reason_for(error, frame.place.hop))

    def _bind(self, sender: bytes, frame: Open) -> RunBinding:
        """Check that this sender may open the run here. Raises errors that `reason_for` maps."""
        architecture, hop = self._shard.architecture, frame.place.hop
        if (frame.place.sequence, frame.place.first_position) != (0, 0):
            raise FrameInvalid("opens a run elsewhere than at its beginning")
        if frame.capacity > architecture.context_length:
            raise FrameInvalid(f"asks for {frame.capacity} positions")
        if frame.model_id != self._identity.model_id:
            raise PathInvalid(f"is of model {frame.model_id}, which this shard does not serve")
        peers = resolve_path(self._directory, frame.path, architecture.layer_count)
        own = (self._identity.shard_id, self._shard.layers)
        if (peers[hop].shard_id, peers[hop].layers) != own:
            raise PathInvalid(f"has another shard at stage {hop}")
        if peers[hop - 1].tls != sender:
            raise PathInvalid(f"did not come from its stage {hop - 1}")
        if any(
            (named.identity_digest, named.tls) != (peer.identity_digest, peer.tls)
            for named, peer in zip(frame.stages, peers, strict=True)
        ):
            raise IdentityDisputed
        return RunBinding(frame.request_id, frame.model_id, peers)

    def _finish_run(self, run: StageRun, frame: Finish) -> None:
        run.accept(frame.place)
        is_complete = frame.end_position == run.positions_received == run.positions_sent
        if not is_complete or len(frame.receipts) != run.hop:
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
            end_position=run.positions_sent,
            received=received,
            sent=run.sent.digest(),
            previous=frame.receipts[previous],
        )
        self._runs.end_run(run.id)
        onward = Finish(run.next_place(), run.positions_sent, (*frame.receipts, receipt))
        self._links.send_frame(run.next_shard, encode(onward), run.next_tls)

    def _end_run(self, sender: bytes, frame: Abort) -> None:
        """End a run that its entry aborts, also if its OPEN frame is still in flight."""
        run = self._runs.find(frame.place.run)
        if run is None or sender == run.entry_tls:
            self._runs.end_run(frame.place.run, sender)
