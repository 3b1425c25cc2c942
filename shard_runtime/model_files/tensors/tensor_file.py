# SPDX-License-Identifier: Apache-2.0
"""Where tensors lie in a model's files, and reading them piece by piece.

Bytes are read with `pread`, never mapped: mapped pages would count as memory of this process, and
one piece at a time is all that loading ever holds of a file.
"""

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shard_runtime.errors import ModelFileInvalid, TensorMissing

PIECE_BYTES = 1 << 20
"""About how much is read at once: larger gains nothing, and buffers of this size stay out of the
peak.
"""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor as it stands in a file."""

    name: str
    dtype: str
    """As the format calls it: F32, BF16, Q4_1 …"""
    dimensions: tuple[int, ...]
    """In the file's own order: GGUF's is the reverse of torch's."""
    shape: tuple[int, ...]
    """In torch's order, outermost first."""
    path: Path
    offset: int
    byte_length: int

    @property
    def rows(self) -> int:
        """How many equal rows of bytes it has, over all but the last dimension: 1 for a vector."""
        return math.prod(self.shape[:-1])

    @property
    def row_bytes(self) -> int:
        return self.byte_length // self.rows


class TensorStore:
    """All tensors of a model by name. Opens no file before something is read from it."""

    def __init__(self, tensors: Iterable[StoredTensor]) -> None:
        self._tensors = {tensor.name: tensor for tensor in tensors}

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def find(self, name: str) -> StoredTensor:
        """Raises `TensorMissing`."""
        try:
            return self._tensors[name]
        except KeyError:
            raise TensorMissing(name) from None


def read_pieces(tensor: StoredTensor) -> Iterator[tuple[int, bytearray]]:
    """The tensor's bytes in order, whole rows at a time: (first row, bytes).

    Raises `ModelFileInvalid` when the file ends before the tensor does.
    """
    rows_per_piece = max(1, PIECE_BYTES // max(1, tensor.row_bytes))
    descriptor = os.open(tensor.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for first in range(0, tensor.rows, rows_per_piece):
            rows = min(rows_per_piece, tensor.rows - first)
            piece = bytearray(rows * tensor.row_bytes)
            _read_into(descriptor, piece, tensor.offset + first * tensor.row_bytes, tensor.path)
            yield first, piece
    finally:
        os.close(descriptor)


def _read_into(descriptor: int, piece: bytearray, offset: int, path: Path) -> None:
    view = memoryview(piece)
    while view:
        count = os.preadv(descriptor, [view], offset)
        if count == 0:
            raise ModelFileInvalid(str(path), "it ends within a tensor")
        view, offset = view[count:], offset + count
