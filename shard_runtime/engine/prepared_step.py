# SPDX-License-Identifier: Apache-2.0
"""Steps that are prepared before their rows arrive.

Runs that go token by token return together, each with its next position. Everything but the
numbers is then known in advance: the header of the incoming frame, where its rows go, the spans
that the layers read, the header of the outgoing frame. It is built while other stages compute; what
is left on arrival is to compare the frame's header with the expected one.

A completed step prepares the next one. Any other event for one of its runs discards it, and the
frame takes the regular path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import numpy as np
import torch

from shard_runtime.backends.shard import Shard, Span
from shard_runtime.links.frames import FLOAT_BYTES, Hidden, Place, Segment, encode
from teetee.protocol.identifiers import ShardId

_ALIGNMENT = 64
"""Bytes; of the rows, for the kernels' vector loads."""


class HasNextStep(ABC):
    """A run whose next step may be prepared."""

    prepared: PreparedStep[Self] | None = None

    @property
    @abstractmethod
    def expected_row(self) -> ExpectedRow | None:
        """The run's next row; None if anything else may happen first."""

    def discard_prepared(self) -> None:
        """Discard the prepared step of this run and of the others in it."""
        if self.prepared is not None:
            for run in self.prepared.runs:
                run.prepared = None


@dataclass(frozen=True, slots=True)
class ExpectedRow:
    """One row of a run: its sender, its place, and where it goes next. `span` has room for it."""

    sender: bytes
    place: Place
    span: Span
    next_shard: ShardId
    next_tls: bytes
    outgoing_place: Place


R = TypeVar("R", bound=HasNextStep)


class PreparedStep(Generic[R]):
    """The next row of each of some runs, which arrive in one frame and leave in one. Used once."""

    def __init__(self, runs: Sequence[R], expected: Sequence[ExpectedRow], shard: Shard) -> None:
        self.runs = tuple(runs)
        self.next_shard, self.next_tls = expected[0].next_shard, expected[0].next_tls
        self._spans = shard.prepare_spans([each.span for each in expected])
        self._shard = shard
        self._sender = expected[0].sender
        width = shard.architecture.hidden_size
        self._header = _header([each.place for each in expected], width)
        outgoing = _header([each.outgoing_place for each in expected], width)
        first = len(outgoing) + -len(outgoing) % _ALIGNMENT
        self._row_bytes = width * FLOAT_BYTES
        memory = bytearray(first + len(runs) * self._row_bytes)
        self._frame = memoryview(memory)[first - len(outgoing) :]
        self._frame[: len(outgoing)] = outgoing
        self._data = memoryview(memory)[first:]
        numbers = torch.frombuffer(memory, dtype=torch.float32, offset=first)
        self.rows = numbers.reshape(len(runs), -1)
        """(R, H): first the received rows, then the ones to send."""
        self._numbers = numbers.numpy()
        self._finite = np.empty(len(numbers), dtype=np.bool_)

    def matches(self, sender: bytes, body: bytes) -> bool:
        """Whether this is the step's frame."""
        is_as_long = len(body) == len(self._frame)
        return is_as_long and sender == self._sender and body.startswith(self._header)

    def receive(self, body: bytes) -> bool:
        """Copy the frame's rows into the buffer. False if any value is not finite; the regular path
        then identifies the run.
        """
        self._data[:] = memoryview(body)[len(self._header) :]
        return bool(np.isfinite(self._numbers, out=self._finite).all())

    def compute(self) -> bytes:
        """Pass `rows` through the shard; returns the outgoing frame."""
        self._shard.forward_in_place(self.rows, self._spans)
        return bytes(self._frame)

    def warm_caches(self) -> None:
        """Run the coming code path with zeros, so that it is in the processor's caches."""
        body = self._header + bytes(len(self._data))
        if self.matches(self._sender, body) and self.receive(body):
            self._shard.warm_caches()
            self.split_rows(bytes(self._frame))

    def split_rows(self, body: bytes) -> list[bytes]:
        """Each run's bytes of the incoming or outgoing frame."""
        starts = range(len(self._header), len(self._frame), self._row_bytes)
        return [body[start : start + self._row_bytes] for start in starts]


def prepare_step(runs: Sequence[R], shard: Shard) -> PreparedStep[R] | None:
    """The next step of runs that were in one, if they will return together."""
    expected = [each for run in runs if (each := run.expected_row) is not None]
    routes = {(each.sender, each.next_shard, each.next_tls) for each in expected}
    if len(expected) < len(runs) or len(routes) != 1:
        return None
    step = PreparedStep(runs, expected, shard)
    for run in runs:
        run.prepared = step
    return step


def _header(places: Sequence[Place], width: int) -> bytes:
    """A HIDDEN frame of one row at each place, without the rows."""
    segments = tuple(Segment(place, 1) for place in places)
    return encode(Hidden(segments, width, memoryview(b"")))
