# SPDX-License-Identifier: Apache-2.0
"""Measures how fast one core can read as many bytes as a step's weights have: the upper bound for
decoding one stream.

Tries several ways of reading, because none is the fastest on every processor; the fastest counts.
"""

import contextlib
import ctypes
import mmap
import time
from collections.abc import Callable, Iterator

import torch

from benchmarks.runtime.machine import cores
from benchmarks.runtime.machine.workers import Command, serve, start_worker
from shard_tools.check.processes import WorkerProcess

REPEATS = 20
_COLUMNS = 4096


class MemoryReader:
    """The worker: allocates the bytes and reads them repeatedly."""

    def __init__(self) -> None:
        self._ways: dict[str, Callable[[], object]] = {}

    def load(self, command: Command) -> Command:
        """Allocates the bytes."""
        rows = -(-command["bytes"] // (4 * _COLUMNS))
        size = rows * 4 * _COLUMNS
        pages = mmap.mmap(-1, size)
        with contextlib.suppress(AttributeError, OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
        numbers = torch.frombuffer(pages, dtype=torch.float32).view(rows, _COLUMNS).fill_(0)
        vector = torch.zeros(_COLUMNS)
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
        """The median seconds of each way of reading; the ways alternate."""
        seconds: dict[str, list[float]] = {name: [] for name in self._ways}
        for _ in range(REPEATS):
            for name, way in self._ways.items():
                began = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - began)
        return {"seconds": {name: sorted(each)[REPEATS // 2] for name, each in seconds.items()}}


class RunningReader:
    """A reader in a process on the first core."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker

    def seconds(self) -> dict[str, float]:
        """The time to read all bytes once, by way of reading."""
        seconds: dict[str, float] = self._worker.ask(do="read")["seconds"]
        return seconds


@contextlib.contextmanager
def start_reader(size: int) -> Iterator[RunningReader]:
    """Runs a reader of `size` bytes for the duration of a `with` block."""
    module = "benchmarks.runtime.machine.memory_limit"
    with start_worker(
        "the memory reader", module, cores=cores.cores_for(0, 1), threads=1
    ) as worker:
        worker.ask(do="load", bytes=size)
        yield RunningReader(worker)


if __name__ == "__main__":
    serve(MemoryReader())
