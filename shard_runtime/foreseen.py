"""Steps of which everything but the numbers is known before they come.

Runs that go token by token come again together, with their next position. What stands between a
frame's arrival and the layers, and between the layers and the next frame (decoding, looking up,
gathering rows, encoding), is done beforehand then, while other stages compute. What remains is to
compare a frame's head with the one that is due.

Whoever makes a step foresees the next one; whatever else happens to one of its runs undoes that,
and the frame is then taken as any other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

import torch

from shard_runtime import activations
from shard_runtime.frames import Hidden, Place, Segment, encode
from shard_runtime.model.batch import Span
from shard_runtime.model.shard import Shard
from teetee.identifiers import ShardId


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


class Coming:
    """One row of a run: from whom it comes, at which place, where it goes. `span` has room."""

    __slots__ = ("due", "leaving", "next_shard", "sender", "span")

    def __init__(
        self, *, sender: bytes, due: Place, span: Span, next_shard: ShardId, leaving: Place
    ) -> None:
        self.sender = sender
        self.due = due
        self.span = span
        self.next_shard = next_shard
        self.leaving = leaving


R = TypeVar("R", bound=Foreseeable)


class ForeseenStep(Generic[R]):
    """The next row of each of some runs, which come in one frame and go on in one."""

    def __init__(self, runs: Sequence[R], coming: Sequence[Coming], shard: Shard) -> None:
        self.runs = tuple(runs)
        self.spans = shard.ready([each.span for each in coming])
        self.next_shard = coming[0].next_shard
        self._sender = coming[0].sender
        self._width = shard.architecture.hidden_size
        self._due = _head([each.due for each in coming], self._width)
        self._leaving = _head([each.leaving for each in coming], self._width)
        self._size = len(self._due) + len(runs) * self._row_bytes

    @property
    def _row_bytes(self) -> int:
        return self._width * activations.NUMBER_BYTES

    def is_due(self, sender: bytes, body: bytes) -> bool:
        """Whether that is its frame."""
        return sender == self._sender and len(body) == self._size and body.startswith(self._due)

    def rows(self, body: bytes) -> torch.Tensor | None:
        """Of its frame: (R, H). None when they may not be finite; who takes the frame as any other
        sees which.
        """
        data = bytearray(memoryview(body)[len(self._due) :])
        numbers = torch.frombuffer(data, dtype=torch.float32)
        # Only if all numbers are finite, the sum of their squares is.
        is_finite = math.isfinite(numbers.dot(numbers).item())
        return numbers.reshape(-1, self._width) if is_finite else None

    def rehearse(self, shard: Shard) -> None:
        """Walk over the way to come, with a row of zeros, so that it lies in the caches then."""
        body = self._due + bytes(self._size - len(self._due))
        if self.is_due(self._sender, body) and (rows := self.rows(body)) is not None:
            shard.rehearse()
            self.each_row(self.frame(rows))

    def frame(self, computed: torch.Tensor) -> bytes:
        """With which they go on."""
        return self._leaving + activations.to_bytes(computed)

    def each_row(self, body: bytes) -> list[bytes]:
        """Each run's bytes of the frame that came, or of the one that goes."""
        places = range(len(self._due), self._size, self._row_bytes)
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


def _head(places: Sequence[Place], width: int) -> bytes:
    """A HIDDEN frame of one row at each place, without the rows."""
    segments = tuple(Segment(place, 1) for place in places)
    return encode(Hidden(segments, width, memoryview(b"")))
