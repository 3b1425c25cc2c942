# SPDX-License-Identifier: Apache-2.0
"""How much the two open endpoints let strangers do. Pure but for the clock that it is given."""

import threading
from collections.abc import Callable


class RateLimit:
    """A token bucket: `burst` calls at once, then `per_second`."""

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        """`clock` counts seconds and never goes back."""
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._left = float(burst)
        self._at = clock()
        self._lock = threading.Lock()

    def admits(self) -> bool:
        """Takes one token, if there is one."""
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class CountLimit:
    """At most `most` at the same time; `with` releases."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Takes a place, if there is one; the caller then owes a `leave`."""
        with self._lock:
            if self._now >= self._most:
                return False
            self._now += 1
            return True

    def leave(self) -> None:
        """Gives the place back."""
        with self._lock:
            self._now -= 1
