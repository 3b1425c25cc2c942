# SPDX-License-Identifier: Apache-2.0
"""What an entry's and a stage's runs share: the places of the next frames in and out, how far the
run is, the running commitments, and the table of open runs.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from shard_runtime.backends.kv_cache import RunCache
from shard_runtime.backends.shard import Span
from shard_runtime.engine.prepared_step import ExpectedRow, HasNextStep
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.errors import FrameInvalid
from shard_runtime.links.frames import Place, RunId, Segment
from teetee.protocol.commitments import RunningCommitment

COUNTED_ROWS = 64
"""The rows of an ended run are counted in multiples of it."""


class Run(HasNextStep):
    """One run on one shard. Hop h leads from stage h-1 to stage h; the last one leads back to the
    entry.
    """

    cache: RunCache | None

    def __init__(
        self,
        run_id: RunId,
        binding: RunBinding,
        *,
        incoming_hop: int,
        outgoing_hop: int,
        received: RunningCommitment,
        sent: RunningCommitment,
    ) -> None:
        self.id = run_id
        self.binding = binding
        self.previous_tls = binding.peers[incoming_hop - 1].tls
        """Who sends this run's rows."""
        following = binding.peers[outgoing_hop % len(binding.peers)]
        self.next_shard, self.next_tls = following.shard_id, following.tls
        """Who gets them next: that shard, with that key and no other."""
        self.received = received
        self.sent = sent
        self.positions_received = 0
        self.positions_sent = 0
        self.last_progress_at = time.monotonic()
        self._incoming_hop = incoming_hop
        self._outgoing_hop = outgoing_hop
        self._sequence_in = 1
        self._sequence_out = 1

    @property
    def expected_place(self) -> Place:
        """The place of the next incoming frame."""
        return Place(self.id, self._incoming_hop, self._sequence_in, self.positions_received)

    @property
    def outgoing_place(self) -> Place:
        """The place of the next outgoing frame."""
        return Place(self.id, self._outgoing_hop, self._sequence_out, self.positions_sent)

    @property
    @abstractmethod
    def is_awaiting_one_row(self) -> bool:
        """Whether one more row, of the next position, is all that can come next."""

    @property
    def expected_row(self) -> ExpectedRow | None:
        if not self.is_awaiting_one_row:
            return None
        assert self.cache is not None
        return ExpectedRow(
            sender=self.previous_tls,
            place=self.expected_place,
            span=Span(self.cache, self.positions_sent, 1),
            next_shard=self.next_shard,
            next_tls=self.next_tls,
            outgoing_place=self.outgoing_place,
        )

    def accept(self, place: Place) -> None:
        """Count the frame at that place as received. Raises `FrameInvalid` if it is not expected,
        and changes nothing then.
        """
        if place != self.expected_place:
            raise FrameInvalid("is out of order, or of another hop or position")
        self.discard_prepared()
        self._sequence_in += 1
        self.last_progress_at = time.monotonic()

    def make_segment(self, rows: int, data: bytes) -> Segment:
        """Count computed rows as sent; returns their segment of the outgoing frame."""
        self.sent.update(data)
        segment = Segment(self.next_place(), rows)
        self.positions_sent += rows
        return segment

    def next_place(self) -> Place:
        """The place of the next outgoing frame, which counts as sent."""
        place = self.outgoing_place
        self._sequence_out += 1
        return place

    def advance(self, received: bytes, sent: bytes) -> None:
        """Count the row of a prepared step as received and sent."""
        self.on_prepared_returned(received)
        self.sent.update(sent)
        self._sequence_out += 1
        self.positions_sent += 1

    def on_prepared_returned(self, received: bytes) -> None:
        """Count the row of a prepared step as received, and nothing as sent."""
        self.discard_prepared()
        self.received.update(received)
        self._sequence_in += 1
        self.positions_received += 1
        self.last_progress_at = time.monotonic()

    def catch_up(self) -> None:
        """Hash what was received and sent, while no other stage waits for this one."""
        self.received.catch_up()
        self.sent.catch_up()


R = TypeVar("R", bound=Run)


class _AbortingOnError(Generic[R]):
    """Each token passes some of these, so it is no generator."""

    __slots__ = ("_runs", "_table")

    def __init__(self, table: "OpenRuns[R]", runs: Sequence[R]) -> None:
        self._table = table
        self._runs = runs

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._table.abort_each(self._runs, error)
        return True


class OpenRuns(ABC, Generic[R]):
    """The runs of one computing thread. Ending a run frees everything that it holds."""

    def __init__(self) -> None:
        self._open: dict[RunId, R] = {}
        self.ended_rows = 0
        """Positions that ended runs passed on, each run's rounded up."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[R]:
        """Over a copy: runs may end meanwhile."""

    def _count_ended(self, run: R) -> None:
        """The host reads the sum: while a run is open, or exactly, it would tell the length of a
        prompt that is alone here.
        """
        self.ended_rows += math.ceil(run.positions_sent / COUNTED_ROWS) * COUNTED_ROWS

    def find(self, run: RunId) -> R | None:
        """The open run with that id."""
        return self._open.get(run)

    @abstractmethod
    def abort_with_error(self, run: R, error: Exception) -> None:
        """End a run that cannot continue, and notify the other shards and the caller."""

    @abstractmethod
    def abort_internal(self, run: R) -> None:
        """End a run for a failure of this shard."""

    def aborting_on_error(self, *runs: R) -> "_AbortingOnError[R]":
        """A context manager that turns any exception into an abort of these runs."""
        return _AbortingOnError(self, runs)

    def abort_each(self, runs: Sequence[R], error: Exception) -> None:
        """End these runs for one error."""
        for run in runs:
            self.abort_with_error(run, error)
