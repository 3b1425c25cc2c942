# SPDX-License-Identifier: Apache-2.0
"""Runs a target on one input, and raises for what no input may cause.

A finding is any exception other than the target's documented errors, more than 1 s, or more than
64 MiB.

Time is measured around each execution. What seems too slow runs once more, and counts only if it is
slow again: a busy machine delays one execution, not the same one twice.

Memory is the growth of the peak of resident memory. The kernel counts every page that was touched,
by Python or by a library, also one that was freed again at once. An input that raises the peak runs
once more from a peak that was reset, so that it does not answer for the growth of earlier ones.

An execution that reuses free pages which are resident already does not raise the peak. So what
malloc holds is returned to the kernel first. Python keeps what its small objects leave between
others: only a process that has not done much else, as `tests.fuzzing.replay` starts one, measures
those exactly.
"""

import ctypes
import gc
import time
from pathlib import Path

from tests.fuzzing.target import Target

MAX_SECONDS = 1.0
MAX_BYTES = 64 << 20
_RESET_PEAK = "5"
"""See `man 5 proc_pid_clear_refs`."""
_PEAK = b"VmHWM:"
"""Not `ru_maxrss`: a process inherits that from the one that starts it, and no reset lowers it."""


class TooSlow(AssertionError):
    """An execution took longer than `MAX_SECONDS`, twice."""


class TooLarge(AssertionError):
    """An execution needed more than `MAX_BYTES` of memory."""


class Watch:
    """One target under observation. Its memory may grow by `MAX_BYTES` from here on."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._limit = _reset_peak() + MAX_BYTES

    def check(self, data: bytes) -> bool:
        """Whether the target accepts the input. Raises what is wrong with the target."""
        seconds, is_accepted = self._timed(data)
        if seconds > MAX_SECONDS:
            again, _ = self._timed(data)
            if again > MAX_SECONDS:
                raise TooSlow(f"{len(data)} bytes took {seconds:.1f} s, then {again:.1f} s")
        if _peak() > self._limit:
            self._check_memory(data)
        return is_accepted

    def _timed(self, data: bytes) -> tuple[float, bool]:
        started = time.perf_counter()
        is_accepted = self._run(data)
        return time.perf_counter() - started, is_accepted

    def _run(self, data: bytes) -> bool:
        try:
            self._target.run(data)
        except self._target.errors as error:
            str(error).encode()  # a message that no log can write would be an error of its own
            return False
        return True

    def _check_memory(self, data: bytes) -> None:
        before = _reset_peak()
        self._run(data)
        grown = _peak() - before
        if grown > MAX_BYTES:
            raise TooLarge(f"{len(data)} bytes needed {grown >> 20} MiB")
        self._limit = _reset_peak() + MAX_BYTES


def _peak() -> int:
    """The peak of resident memory since the last reset, in bytes."""
    status = Path("/proc/self/status").read_bytes()
    start = status.index(_PEAK) + len(_PEAK)
    return int(status[start : status.index(b"kB", start)]) << 10


def _reset_peak() -> int:
    """Return free memory to the kernel, lower the peak to what is resident then, and return it in
    bytes.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    return _peak()
