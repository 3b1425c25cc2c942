# SPDX-License-Identifier: Apache-2.0
"""The fastest that one core can stream as many bytes as a step's weights have: the limit of
decoding one stream.

Several ways of reading, the fastest of which counts: none of them is known to be the best on every
processor.
"""

import contextlib
import ctypes
import mmap
import time
from collections.abc import Callable, Iterator

import torch

from benchmarks.runtime.machine import cores
from benchmarks.runtime.machine.workers import Command, serve, started
from shard_tools.check.processes import WorkerProcess

TIMES = 20
_ROW = 4096


class MemoryReader:
    """Holds the bytes, reads them all, again and again."""

    def __init__(self) -> None:
        self._ways: dict[str, Callable[[], object]] = {}

    def load(self, command: Command) -> Command:
        rows = -(-command["bytes"] // (4 * _ROW))
        size = rows * 4 * _ROW
        pages = mmap.mmap(-1, size)
        with contextlib.suppress(AttributeError, OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
        numbers = torch.frombuffer(pages, dtype=torch.float32).view(rows, _ROW).fill_(0)
        vector = torch.zeros(_ROW)
        address = ctypes.c_void_p(numbers.data_ptr())
        find = ctypes.CDLL(None).memchr
        find.argtypes, find.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], None
        self._ways = {
            "memchr": lambda: find(address, 1, size),
            "matrix times vector": lambda: torch.mv(numbers, vector),
            "sum": numbers.sum,
        }
        return {}

    def read(self, _command: Command) -> Command:
        """Seconds by way, the median of several; the ways take turns."""
        taken: dict[str, list[float]] = {name: [] for name in self._ways}
        for _ in range(TIMES):
            for name, way in self._ways.items():
                began = time.perf_counter()
                way()
                taken[name].append(time.perf_counter() - began)
        return {"seconds": {name: sorted(each)[TIMES // 2] for name, each in taken.items()}}


class RunningReader:
    """In a process on the first core."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker

    def seconds(self) -> dict[str, float]:
        """To read all bytes once, by way of reading."""
        seconds: dict[str, float] = self._worker.ask(do="read")["seconds"]
        return seconds


@contextlib.contextmanager
def reading(size: int) -> Iterator[RunningReader]:
    """Ready to read `size` bytes."""
    module = "benchmarks.runtime.machine.memory_limit"
    with started("the memory reader", module, cores=cores.share(0, 1), threads=1) as worker:
        worker.ask(do="load", bytes=size)
        yield RunningReader(worker)


if __name__ == "__main__":
    serve(MemoryReader())
