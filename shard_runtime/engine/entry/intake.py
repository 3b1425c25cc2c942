# SPDX-License-Identifier: Apache-2.0
"""What other stages send to an entry, judged: only what is due, from whom it is due, gets through.

Whoever sends something else is named, and the runs that it named are ended; runs of others are not
touched.
"""

import torch

from shard_runtime.engine.abort_mapping import error_for
from shard_runtime.engine.entry.run import EntryRun
from shard_runtime.engine.entry.runs import EntryRuns
from shard_runtime.errors import FrameInvalid, StageMisbehaved
from shard_runtime.links import hidden_states as activations
from shard_runtime.links.frames import Abort, Finish, Frame, Hidden, Segment, decode, places_of
from teetee.errors import TeeTeeError

Back = tuple[EntryRun, torch.Tensor, bytes]
"""Rows of a run that came out of the last layer: (T, H), and as the bytes that travelled."""


class EntryIntake:
    """For the thread that computes."""

    def __init__(self, runs: EntryRuns, width: int) -> None:
        self._runs = runs
        self._width = width

    def take(self, sender: bytes, body: bytes) -> tuple[list[Back], tuple[EntryRun, Finish] | None]:
        """Rows that came back, or a run's receipts. What is not due ends its run and is neither."""
        try:
            frame = decode(body)
            if isinstance(frame, Hidden):
                return self._take_hidden(sender, frame), None
            concerned = self._concerned(sender, body)
            return [], self._take_other(sender, concerned[0], frame) if concerned else None
        except FrameInvalid as error:
            for run in self._concerned(sender, body):
                self._runs.fail(run, _misbehaved(run, sender, error))
            return [], None

    def _concerned(self, sender: bytes, body: bytes) -> list[EntryRun]:
        """Open runs that the frame names, and that the sender has to do with."""
        named = (self._runs.find(place.run) for place in places_of(body))
        return [run for run in named if run is not None and run.hop_of(sender)]

    def _take_hidden(self, sender: bytes, frame: Hidden) -> list[Back]:
        back: list[Back] = []
        for segment, rows, data in activations.of_segments(frame, self._width):
            run = self._runs.find(segment.place.run)
            if run is None or sender != run.last_tls:
                continue
            try:
                _check_segment(run, segment, rows)
                back.append((run, rows, data))
            except FrameInvalid as error:
                self._runs.fail(run, _misbehaved(run, sender, error))
        return back

    def _take_other(
        self, sender: bytes, run: EntryRun, frame: Frame
    ) -> tuple[EntryRun, Finish] | None:
        if isinstance(frame, Abort):
            self._runs.fail(run, error_for(frame, run.path))
            return None
        if sender != run.last_tls:
            return None
        if not isinstance(frame, Finish) or run.receipt is None or not run.expects(frame.place):
            raise FrameInvalid("is out of order, or of another hop or position")
        if frame.end_position != run.fed or frame.receipts[:1] != (run.receipt,):
            raise FrameInvalid("ends the run at another position, or without our receipt")
        return run, frame


def _check_segment(run: EntryRun, segment: Segment, hidden: torch.Tensor) -> None:
    if not run.expects(segment.place) or run.returned + segment.rows > run.fed:
        raise FrameInvalid("is out of order, or of another hop or position")
    activations.check_finite(hidden)


def _misbehaved(run: EntryRun, sender: bytes, error: FrameInvalid) -> TeeTeeError:
    hop = run.hop_of(sender)
    return StageMisbehaved(hop, run.path[hop], f"its frame {error.rule}")
