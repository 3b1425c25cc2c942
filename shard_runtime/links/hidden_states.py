# SPDX-License-Identifier: Apache-2.0
"""Converts hidden states between tensors and HIDDEN frames: float32, little-endian, by position."""

import sys
from collections.abc import Iterator

import numpy as np
import torch

from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import FrameInvalid
from shard_runtime.links.frames import Hidden, Segment
from teetee.protocol.identifiers import ShardId

# torch reads and writes memory in the machine's byte order.
assert sys.byteorder == "little"


def hidden_to_bytes(hidden: torch.Tensor) -> bytes:
    """(T, H) → T × H × 4 bytes."""
    return hidden.detach().float().numpy().tobytes()


def split_segments(frame: Hidden, width: int) -> Iterator[tuple[Segment, torch.Tensor, bytes]]:
    """Each segment with its rows, (T, width) float32, and their bytes. Raises `FrameInvalid` for
    another width.
    """
    if frame.width != width:
        raise FrameInvalid(f"has rows of {frame.width} numbers, and {width} are expected")
    numbers = np.frombuffer(bytearray(frame.data), dtype=np.float32).reshape(-1, width)
    for segment, rows, data in frame.pieces():
        yield segment, torch.from_numpy(numbers[rows]), data


def check_finite(rows: torch.Tensor) -> None:
    """Raises `FrameInvalid` if any number of one run's rows is not finite."""
    if not np.isfinite(rows.numpy()).all():
        raise FrameInvalid("has numbers that are not finite", AbortReason.NOT_FINITE)


class OutgoingRows:
    """The rows that one step sends, gathered into one frame per next stage."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._parts: dict[tuple[ShardId, bytes], list[tuple[Segment, bytes]]] = {}

    def add(self, shard_id: ShardId, tls: bytes, segment: Segment, data: bytes) -> None:
        """Add rows for the stage with that key, each run at most once."""
        self._parts.setdefault((shard_id, tls), []).append((segment, data))

    def frames(self) -> Iterator[tuple[ShardId, bytes, Hidden]]:
        """One frame for each stage that gets any rows, with its key."""
        for (shard_id, tls), parts in self._parts.items():
            data = b"".join(data for _, data in parts)
            segments = tuple(segment for segment, _ in parts)
            yield shard_id, tls, Hidden(segments, self._width, memoryview(data))
