# SPDX-License-Identifier: Apache-2.0
"""Waiting without going to sleep: a core that slept wakes late, and computes more slowly at first.

The core is offered to others all the time, and whoever waits sleeps as soon as somebody took it.
"""

import ctypes
import logging
from collections.abc import Callable

from shard_runtime.backends.native.errors import NativeUnavailable
from shard_runtime.backends.native.shared_library import load_library

_log = logging.getLogger(__name__)


class Bell:
    """Rung by any threads, watched by one."""

    def __init__(self) -> None:
        self._rung = ctypes.c_int64(0)
        self._address = ctypes.addressof(self._rung)
        self._wait: Callable[[int, int, int], int] | None = None
        try:
            self._wait = load_library().calls.teetee_wait_awake
        except NativeUnavailable:
            _log.debug("who waits goes to sleep at once")

    @property
    def rung(self) -> int:
        """Another number after each `ring` than before."""
        return self._rung.value

    def ring(self) -> None:
        """Wake who watches. Two rings at once may count as one."""
        self._rung.value += 1

    def watch(self, seen: int, seconds: float) -> None:
        """Until `rung` is no longer `seen`, at most so long; not at all without the native library,
        and not longer than until somebody else wants the core.
        """
        if self._wait is not None:
            self._wait(self._address, seen, int(seconds * 1e9))
