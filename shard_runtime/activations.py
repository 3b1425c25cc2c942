"""Hidden states between tensors and the bytes on a link: float32, little-endian, position after
position.
"""

import sys
from collections.abc import Sequence
from itertools import accumulate

import torch

from shard_runtime.errors import FrameInvalid
from shard_runtime.faults import Fault
from shard_runtime.frames import Hidden

# torch reads and writes memory as the machine has it.
assert sys.byteorder == "little"


def parted(hidden: torch.Tensor, counts: Sequence[int]) -> list[torch.Tensor]:
    """(R, H) → the runs' rows, which lie one after the other."""
    ends = list(accumulate(counts))
    return [hidden[end - count : end] for end, count in zip(ends, counts, strict=True)]


def to_bytes(hidden: torch.Tensor) -> bytes:
    """(T, H) → T × H × 4 bytes."""
    return hidden.detach().to(torch.float32).contiguous().numpy().tobytes()


def from_frame(frame: Hidden, width: int) -> torch.Tensor:
    """(rows, width) float32.

    Raises `FrameInvalid` for another width, and for numbers that are not finite.
    """
    if frame.width != width:
        raise FrameInvalid(f"has rows of {frame.width} numbers, and {width} are due")
    hidden = torch.frombuffer(bytearray(frame.data), dtype=torch.float32).view(frame.rows, width)
    if not bool(torch.isfinite(hidden).all()):
        raise FrameInvalid("has numbers that are not finite", Fault.NOT_FINITE)
    return hidden
