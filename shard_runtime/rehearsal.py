"""A walk over the way that the next rows will take in, while nobody waits for anything.

A step streams all weights of a shard through the processor's caches. What stands between a frame's
arrival and the next step (a few hundred functions of Python, numpy and torch) then comes from
memory again, piece by piece: about 100 µs instead of 15. Walked over once after rows have gone on,
it lies in the caches when the next ones come.
"""

from collections.abc import Callable

import torch

from shard_runtime import activations
from shard_runtime.frames import Hidden, Place, RunId, Segment, encode

_NO_RUN = RunId(bytes(16))


class Rehearsal:
    """With one row of no run, which nothing is done with."""

    def __init__(self, width: int, take: Callable[[bytes, bytes], object]) -> None:
        """take: what gets frames, with their sender."""
        self._row = torch.zeros(1, width)
        segment = Segment(Place(_NO_RUN, 1, 1, 0), 1)
        data = memoryview(activations.to_bytes(self._row))
        self._body = encode(Hidden((segment,), width, data))
        self._take = take

    def walk(self) -> None:
        """Costs some microseconds; changes nothing."""
        self._take(b"", self._body)
        # Whoever takes it stops where its run is not found; this comes after that.
        activations.check_finite(self._row)
        self._row.clone()
