"""Hidden states between tensors and the bytes on a link: float32, little-endian, position after
position.
"""

import sys

import numpy as np
import torch

from shard_runtime.errors import FrameInvalid
from shard_runtime.faults import Fault
from shard_runtime.frames import Hidden

# torch reads and writes memory as the machine has it.
assert sys.byteorder == "little"


def to_bytes(hidden: torch.Tensor) -> bytes:
    """(T, H) → T × H × 4 bytes."""
    return hidden.detach().float().numpy().tobytes()


def from_frame(frame: Hidden, width: int) -> torch.Tensor:
    """(rows, width) float32, of all segments. Raises `FrameInvalid` for another width."""
    if frame.width != width:
        raise FrameInvalid(f"has rows of {frame.width} numbers, and {width} are due")
    return torch.frombuffer(bytearray(frame.data), dtype=torch.float32).view(frame.rows, width)


def check_finite(rows: torch.Tensor) -> None:
    """Raises `FrameInvalid` for numbers that are not finite: one run's rows, one run's fault."""
    if not np.isfinite(rows.numpy()).all():
        raise FrameInvalid("has numbers that are not finite", Fault.NOT_FINITE)
