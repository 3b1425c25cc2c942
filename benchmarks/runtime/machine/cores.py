# SPDX-License-Identifier: Apache-2.0
"""Which cores a process may use, and how much memory it has used. Linux only;
elsewhere nothing is pinned and nothing told.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from shard_tools.check import memory


def usable() -> tuple[int, ...]:
    """The cores that we may use, in order."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0)))


def share(index: int, threads: int) -> tuple[int, ...]:
    """Cores for process number `index` of several with that many threads each, in turn."""
    cores = usable()
    if not cores:
        return ()
    return tuple(cores[(index * threads + thread) % len(cores)] for thread in range(threads))


@contextlib.contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Processes started in this block inherit the cores; this thread gets its own back."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def forget_peak(process: int) -> None:
    """From now on `peak_bytes` is of what comes."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/clear_refs").write_text("5")


def peak_bytes(process: int) -> int:
    """Highest resident set; 0 where there is no /proc."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@cache
def bare_bytes() -> int:
    """Of an interpreter that has imported torch and done nothing else."""
    return memory.bare_bytes()
