# SPDX-License-Identifier: Apache-2.0
"""The location of tensors in a model's files, and reading them piece by piece.

Bytes are read with `pread` and never mapped: mapped pages would count as memory of this process,
and loading holds no more than one piece of a file at a time.
"""

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shard_runtime.errors import ModelFileInvalid, TensorAmbiguous, TensorMissing

PIECE_BYTES = 1 << 20
"""The approximate size of one read. Larger reads gain nothing; buffers of this size do not show in
peak memory.
"""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in a file."""

    name: str
    dtype: str
    """The format's name: F32, BF16, Q4_1 …"""
    dimensions: tuple[int, ...]
    """In the file's own order: GGUF's is the reverse of torch's."""
    shape: tuple[int, ...]
    """In torch's order, outermost first."""
    path: Path
    offset: int
    byte_length: int

    @property
    def rows(self) -> int:
        """The number of rows, over all dimensions but the last; 1 for a vector."""
        return math.prod(self.shape[:-1])

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return self.byte_length // max(1, self.rows)


class TensorStore:
    """All tensors of a model by name. Opens no files."""

    def __init__(self, tensors: Iterable[StoredTensor]) -> None:
        """Raises `TensorAmbiguous` if two tensors have the same name."""
        self._tensors: dict[str, StoredTensor] = {}
        for tensor in tensors:
            other = self._tensors.setdefault(tensor.name, tensor)
            if other is not tensor:
                raise TensorAmbiguous(tensor.name, str(other.path), str(tensor.path))

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[StoredTensor]:
        return iter(self._tensors.values())

    def find_tensor(self, name: str) -> StoredTensor:
        """The tensor of that name. Raises `TensorMissing`."""
        try:
            return self._tensors[name]
        except KeyError:
            raise TensorMissing(name) from None


def read_pieces(tensor: StoredTensor) -> Iterator[tuple[int, bytearray]]:
    """Yields the tensor's bytes in order, whole rows at a time: (first row, bytes).

    Raises `ModelFileInvalid` if the file ends before the tensor does.
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
