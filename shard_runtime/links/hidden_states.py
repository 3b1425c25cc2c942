# SPDX-License-Identifier: Apache-2.0
"""Hidden states between tensors and the bytes on a link: float32, little-endian, position after
position.
"""

import sys
from collections.abc import Iterator

import numpy as np
import torch

from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import FrameInvalid
from shard_runtime.links.frames import Hidden, Segment

# torch reads and writes memory as the machine has it.
assert sys.byteorder == "little"


def to_bytes(hidden: torch.Tensor) -> bytes:
    """(T, H) → T × H × 4 bytes."""
    return hidden.detach().float().numpy().tobytes()


def of_segments(frame: Hidden, width: int) -> Iterator[tuple[Segment, torch.Tensor, bytes]]:
    """Each segment with its rows, (T, width) float32, and their bytes. Raises `FrameInvalid` for
    another width.
    """
    if frame.width != width:
        raise FrameInvalid(f"has rows of {frame.width} numbers, and {width} are due")
    numbers = np.frombuffer(bytearray(frame.data), dtype=np.float32).reshape(-1, width)
    for segment, rows, data in frame.pieces():
        yield segment, torch.from_numpy(numbers[rows]), data


def check_finite(rows: torch.Tensor) -> None:
    """Raises `FrameInvalid` for numbers that are not finite: one run's rows, one run's fault."""
    if not np.isfinite(rows.numpy()).all():
        raise FrameInvalid("has numbers that are not finite", AbortReason.NOT_FINITE)
