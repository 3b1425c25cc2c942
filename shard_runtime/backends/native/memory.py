# SPDX-License-Identifier: Apache-2.0
"""Memory for weights and caches: pages that the system hands out as they are first touched, large
ones where it has them, and takes back when nobody holds them any more.
"""

import contextlib
import ctypes
import mmap
import threading
import weakref

import torch

from shard_runtime.backends.native.errors import NativeRefused

_REGION_BYTES = 32 << 20
_ALIGNMENT = 4096


class _Region:
    """One mapping. Private: the system's large pages are for memory that no process shares."""

    def __init__(self, size: int) -> None:
        self._map = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(AttributeError, OSError):  # a kernel without large pages
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self._bytes = (ctypes.c_char * len(self._map)).from_buffer(self._map)
        self.address = ctypes.addressof(self._bytes)
        self.size = size
        self._taken = 0

    def take(self, size: int) -> int | None:
        """The address of so many bytes that nobody had before; None when there are too few."""
        first = self._taken
        if first + size > self.size:
            return None
        self._taken = first + -(-size // _ALIGNMENT) * _ALIGNMENT
        return self.address + first


class Pages:
    """`size` bytes from `address`, zero at first, in a mapping of their own."""

    def __init__(self, size: int) -> None:
        self._region = _Region(size)
        self.address = self._region.address
        self.size = size


class WeightPages:
    """The same, side by side with others that are made one after the other and live as long.

    Most matrices are smaller than a large page (2 MiB): each in a mapping of its own, none would
    get one, and a step, which reads every weight, would look up a thousand times as many pages.
    """

    _lock = threading.Lock()
    _last: "weakref.ref[_Region] | None" = None

    def __init__(self, size: int) -> None:
        with self._lock:
            self._region, self.address = self._place(size)
        self.size = size

    @classmethod
    def _place(cls, size: int) -> tuple[_Region, int]:
        last = cls._last() if cls._last else None
        if last is not None and (address := last.take(size)) is not None:
            return last, address
        region = _Region(max(size, _REGION_BYTES))
        if size < _REGION_BYTES:
            cls._last = weakref.ref(region)
        address = region.take(size)
        assert address is not None
        return region, address


def checked(what: str, tensor: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor, contiguous, if it is float32 on the CPU and of that shape; else
    `NativeRefused`.
    """
    if tuple(tensor.shape) != shape:
        raise NativeRefused(what, f"its shape is {tuple(tensor.shape)}", shape)
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        raise NativeRefused(what, f"it is {tensor.dtype} on {tensor.device}", "float32 on the CPU")
    return tensor.detach().contiguous()
