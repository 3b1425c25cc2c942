# SPDX-License-Identifier: Apache-2.0
"""Pins processes to cores and reads their peak memory. Linux only; elsewhere it does nothing."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from shard_tools.check import memory


def usable() -> tuple[int, ...]:
    """The cores that this process may use, in order."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0)))


def cores_for(index: int, threads: int) -> tuple[int, ...]:
    """The cores for process number `index` of several with that many threads each, round-robin."""
    cores = usable()
    if not cores:
        return ()
    return tuple(cores[(index * threads + thread) % len(cores)] for thread in range(threads))


@contextlib.contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Processes started in the `with` block inherit the cores; this thread regains its own."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def reset_peak(process: int) -> None:
    """Makes `peak_bytes` count from now on."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/clear_refs").write_text("5")


def peak_bytes(process: int) -> int:
    """The highest resident set; 0 where there is no /proc."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@cache
def bare_bytes() -> int:
    """The peak of an interpreter that has only imported torch."""
    return memory.bare_bytes()
