# SPDX-License-Identifier: Apache-2.0
"""Checks what other stages send to an entry: only expected frames from the expected sender pass.

Any other frame aborts the runs that it names, with an error that names its sender. Runs that the
sender has no part in are not touched.
"""

import torch

from shard_runtime.engine.abort_mapping import error_for
from shard_runtime.engine.entry.run import EntryRun
from shard_runtime.engine.entry.runs import EntryRuns
from shard_runtime.engine.frame_gate import FrameGate
from shard_runtime.errors import FrameInvalid, StageMisbehaved
from shard_runtime.links.frames import Abort, Finish, Frame, Hidden, Segment, decode, places_of
from shard_runtime.links.hidden_states import check_finite, split_segments
from teetee.errors import TeeTeeError

ReturnedRows = tuple[EntryRun, torch.Tensor, bytes]
"""Rows of a run after the last layer: (T, H), and the bytes that travelled."""


class EntryIntake:
    """For the computing thread."""

    def __init__(self, runs: EntryRuns, width: int, gate: FrameGate) -> None:
        self._gate = gate
        self._runs = runs
        self._width = width

    def read_frame(
        self, sender: bytes, body: bytes
    ) -> tuple[list[ReturnedRows], tuple[EntryRun, Finish] | None]:
        """The rows that a frame returns, and the run whose receipts it brings. An unexpected frame
        has neither, and aborts its runs.
        """
        try:
            frame = decode(body)
            if isinstance(frame, Hidden):
                return self._read_hidden(sender, frame), None
            concerned = self._concerned(sender, body)
            return [], self._read_other(sender, concerned[0], frame) if concerned else None
        except FrameInvalid as error:
            concerned = self._concerned(sender, body)
            if not concerned:
                self._gate.report(sender, "sends a malformed frame that names no run of its own")
            for run in concerned:
                self._runs.abort_with_error(run, _misbehaved(run, sender, error))
            return [], None

    def _concerned(self, sender: bytes, body: bytes) -> list[EntryRun]:
        """Open runs that the frame names and whose path the sender is on."""
        named = (self._runs.find(place.run) for place in places_of(body))
        return [run for run in named if run is not None and run.stage_of(sender)]

    def _read_hidden(self, sender: bytes, frame: Hidden) -> list[ReturnedRows]:
        returned: list[ReturnedRows] = []
        for segment, rows, data in split_segments(frame, self._width):
            run = self._runs.find(segment.place.run)
            if run is None or sender != run.previous_tls:
                continue
            try:
                _check_segment(run, segment, rows)
                returned.append((run, rows, data))
            except FrameInvalid as error:
                self._runs.abort_with_error(run, _misbehaved(run, sender, error))
        return returned

    def _read_other(
        self, sender: bytes, run: EntryRun, frame: Frame
    ) -> tuple[EntryRun, Finish] | None:
        if isinstance(frame, Abort):
            reporter = run.path[run.stage_of(sender)]
            self._runs.abort_with_error(run, error_for(frame, run.path, reporter))
            return None
        if sender != run.previous_tls:
            return None
        if not isinstance(frame, Finish) or run.receipt is None:
            raise FrameInvalid("is out of order, or of another hop or position")
        run.accept(frame.place)
        if frame.end_position != run.positions_sent or frame.receipts[:1] != (run.receipt,):
            raise FrameInvalid("ends the run at another position, or without our receipt")
        return run, frame


def _check_segment(run: EntryRun, segment: Segment, hidden: torch.Tensor) -> None:
    run.accept(segment.place)
    if run.positions_received + segment.rows > run.positions_sent:
        raise FrameInvalid("returns more positions than were sent")
    check_finite(hidden)


def _misbehaved(run: EntryRun, sender: bytes, error: FrameInvalid) -> TeeTeeError:
    stage = run.stage_of(sender)
    return StageMisbehaved(stage, run.path[stage], f"its frame {error.rule}")
