# SPDX-License-Identifier: Apache-2.0
"""An event that a thread can busy-wait for: a sleeping core wakes late, and computes more slowly at
first.

While it spins, the waiting thread keeps yielding its core, and stops as soon as another thread runs
there.
"""

import ctypes
import logging
from collections.abc import Callable

from shard_runtime.backends.native.errors import NativeUnavailable
from shard_runtime.backends.native.shared_library import load_library

_log = logging.getLogger(__name__)


class SpinEvent:
    """Set by any thread, awaited by one."""

    def __init__(self) -> None:
        self._generation = ctypes.c_int64(0)
        self._address = ctypes.addressof(self._generation)
        self._busy_wait: Callable[[int, int, int], int] | None = None
        try:
            self._busy_wait = load_library().calls.teetee_busy_wait
        except NativeUnavailable:
            _log.debug("busy-wait unavailable, falling back to blocking wait")

    @property
    def generation(self) -> int:
        """Changes with each `set`."""
        return self._generation.value

    def set(self) -> None:
        """End a wait. Two concurrent calls may count as one."""
        self._generation.value += 1

    def wait(self, generation: int, seconds: float) -> None:
        """Spin until `generation` is outdated, `seconds` pass, or another thread needs the core.

        Returns immediately without the native library.
        """
        if self._busy_wait is not None:
            self._busy_wait(self._address, generation, int(seconds * 1e9))
