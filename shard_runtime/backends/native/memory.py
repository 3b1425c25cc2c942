# SPDX-License-Identifier: Apache-2.0
"""Memory for weights and caches: pages that the system allocates on first touch, large ones where
available, and frees with the last reference.
"""

import contextlib
import ctypes
import mmap
import threading
import weakref

import torch

from shard_runtime.backends.native.errors import NativeInputInvalid

_REGION_BYTES = 32 << 20
_ALIGNMENT = 4096


class _Region:
    """One private anonymous mapping: transparent huge pages require unshared memory."""

    def __init__(self, size: int) -> None:
        self._map = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(AttributeError, OSError):  # a kernel without huge pages
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self._bytes = (ctypes.c_char * len(self._map)).from_buffer(self._map)
        self.address = ctypes.addressof(self._bytes)
        self.size = size
        self._allocated = 0

    def allocate(self, size: int) -> int | None:
        """The address of `size` unused bytes; None if too few are left."""
        first = self._allocated
        if first + size > self.size:
            return None
        self._allocated = first + -(-size // _ALIGNMENT) * _ALIGNMENT
        return self.address + first


class Pages:
    """`size` zeroed bytes at `address`, in their own mapping."""

    def __init__(self, size: int) -> None:
        self._region = _Region(size)
        self.address = self._region.address
        self.size = size


class WeightPages:
    """`size` zeroed bytes at `address`, in a mapping shared with other matrices.

    Most matrices are smaller than a huge page (2 MiB): in their own mappings, none would get one,
    and a step, which reads every weight, would look up a thousand times as many pages.
    """

    _lock = threading.Lock()
    _last: "weakref.ref[_Region] | None" = None

    def __init__(self, size: int) -> None:
        with self._lock:
            self._region, self.address = self._allocate(size)
        self.size = size

    @classmethod
    def _allocate(cls, size: int) -> tuple[_Region, int]:
        last = cls._last() if cls._last else None
        if last is not None and (address := last.allocate(size)) is not None:
            return last, address
        region = _Region(max(size, _REGION_BYTES))
        if size < _REGION_BYTES:
            cls._last = weakref.ref(region)
        address = region.allocate(size)
        assert address is not None
        return region, address


def require_float32(what: str, tensor: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor, made contiguous. Raises `NativeInputInvalid` unless it is float32 on the CPU and
    of that shape.
    """
    if tuple(tensor.shape) != shape:
        raise NativeInputInvalid(what, f"its shape is {tuple(tensor.shape)}", shape)
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        raise NativeInputInvalid(
            what, f"it is {tensor.dtype} on {tensor.device}", "float32 on the CPU"
        )
    return tensor.detach().contiguous()
