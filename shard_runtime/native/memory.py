"""Memory for weights and caches: pages that the system hands out as they are first touched, large
ones where it has them, and takes back when the object goes.
"""

import contextlib
import ctypes
import mmap

import torch

from shard_runtime.native.errors import NativeRefused


class Pages:
    """`size` bytes from `address`, zero at first."""

    def __init__(self, size: int) -> None:
        self._map = mmap.mmap(-1, max(size, 1))
        with contextlib.suppress(AttributeError, OSError):  # a kernel without large pages
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self._bytes = (ctypes.c_char * len(self._map)).from_buffer(self._map)
        self.address = ctypes.addressof(self._bytes)
        self.size = size


def checked(what: str, tensor: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor, contiguous, if it is float32 on the CPU and of that shape; else
    `NativeRefused`.
    """
    if tuple(tensor.shape) != shape:
        raise NativeRefused(what, f"its shape is {tuple(tensor.shape)}", shape)
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        raise NativeRefused(what, f"it is {tensor.dtype} on {tensor.device}", "float32 on the CPU")
    return tensor.detach().contiguous()
