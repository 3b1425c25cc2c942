# SPDX-License-Identifier: Apache-2.0
"""Steps of which everything but the numbers is known before they come.

Runs that go token by token come again together, with their next position. What stands between a
frame's arrival and the layers, and between the layers and the next frame (decoding, looking up,
gathering rows, encoding), is done beforehand then, while other stages compute. What remains is to
compare a frame's head with the one that is due.

Whoever makes a step foresees the next one; whatever else happens to one of its runs undoes that,
and the frame is then taken as any other.
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
"""Of rows, as kernels like it."""


class Foreseeable(ABC):
    """A run that may have such a step before it."""

    foreseen: ForeseenStep[Self] | None = None

    @property
    @abstractmethod
    def comes_next(self) -> Coming | None:
        """Its next row, if nothing else can come for it; None: other things may."""

    def forget(self) -> None:
        """Something else happens to it: the step before it will not be made."""
        if self.foreseen is not None:
            for run in self.foreseen.runs:
                run.foreseen = None


@dataclass(frozen=True, slots=True)
class Coming:
    """One row of a run: from whom it comes, at which place, where it goes. `span` has room."""

    sender: bytes
    due: Place
    span: Span
    next_shard: ShardId
    leaving: Place


R = TypeVar("R", bound=Foreseeable)


class ForeseenStep(Generic[R]):
    """The next row of each of some runs, which come in one frame and go on in one. Made once."""

    def __init__(self, runs: Sequence[R], coming: Sequence[Coming], shard: Shard) -> None:
        self.runs = tuple(runs)
        self.next_shard = coming[0].next_shard
        self._spans = shard.prepare_spans([each.span for each in coming])
        self._shard = shard
        self._sender = coming[0].sender
        self._due = _head([each.due for each in coming], shard.architecture.hidden_size)
        leaving = _head([each.leaving for each in coming], shard.architecture.hidden_size)
        first = len(leaving) + -len(leaving) % _ALIGNMENT
        self._row_bytes = shard.architecture.hidden_size * FLOAT_BYTES
        memory = bytearray(first + len(runs) * self._row_bytes)
        self._frame = memoryview(memory)[first - len(leaving) :]
        self._frame[: len(leaving)] = leaving
        self._data = memoryview(memory)[first:]
        numbers = torch.frombuffer(memory, dtype=torch.float32, offset=first)
        self.rows = numbers.reshape(len(runs), -1)
        """(R, H): those that come, and then those that go."""
        self._numbers = numbers.numpy()
        self._finite = np.empty(len(numbers), dtype=np.bool_)

    def is_due(self, sender: bytes, body: bytes) -> bool:
        """Whether that is its frame."""
        is_as_long = len(body) == len(self._frame)
        return is_as_long and sender == self._sender and body.startswith(self._due)

    def take(self, body: bytes) -> bool:
        """The rows of its frame; False if they are not finite: who takes the frame as any other
        sees which.
        """
        self._data[:] = memoryview(body)[len(self._due) :]
        return bool(np.isfinite(self._numbers, out=self._finite).all())

    def compute(self) -> bytes:
        """`rows` through the shard; the frame that goes on."""
        self._shard.forward_in_place(self.rows, self._spans)
        return bytes(self._frame)

    def rehearse(self) -> None:
        """Walk over the way to come, with zeros, so that it lies in the caches then."""
        body = self._due + bytes(len(self._data))
        if self.is_due(self._sender, body) and self.take(body):
            self._shard.warm_caches()
            self.each_row(bytes(self._frame))

    def each_row(self, body: bytes) -> list[bytes]:
        """Each run's bytes of the frame that came, or of the one that goes."""
        places = range(len(self._due), len(self._frame), self._row_bytes)
        return [body[place : place + self._row_bytes] for place in places]


def foresee(runs: Sequence[R], shard: Shard) -> ForeseenStep[R] | None:
    """The next step of runs that were in one, if they can come together again."""
    coming = [each for run in runs if (each := run.comes_next) is not None]
    ways = {(each.sender, each.next_shard) for each in coming}
    if len(coming) < len(runs) or len(ways) != 1:
        return None
    step = ForeseenStep(runs, coming, shard)
    for run in runs:
        run.foreseen = step
    return step


def due_step(run: R | None, sender: bytes, body: bytes) -> ForeseenStep[R] | None:
    """The step before the run that a frame names first, if the frame is that step's."""
    step = None if run is None else run.foreseen
    return step if step is not None and step.is_due(sender, body) else None


def _head(places: Sequence[Place], width: int) -> bytes:
    """A HIDDEN frame of one row at each place, without the rows."""
    segments = tuple(Segment(place, 1) for place in places)
    return encode(Hidden(segments, width, memoryview(b"")))
