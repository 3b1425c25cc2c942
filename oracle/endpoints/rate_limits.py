# SPDX-License-Identifier: Apache-2.0
"""Limits on what clients of the open endpoints can use. Pure, except for the clock passed in."""

import threading
from collections.abc import Callable


class RateLimit:
    """A token bucket: a burst of `burst` calls, then `per_second`."""

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in s."""
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._tokens = float(burst)
        self._refilled_at = clock()
        self._lock = threading.Lock()

    def try_acquire(self) -> bool:
        """Uses up one token. Returns False if there is none."""
        with self._lock:
            now = self._clock()
            refill = (now - self._refilled_at) * self._per_second
            self._tokens = min(self._burst, self._tokens + refill)
            self._refilled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class ConcurrencyLimit:
    """At most `limit` holders at the same time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._active = 0
        self._lock = threading.Lock()

    def try_acquire(self) -> bool:
        """Occupies a place until `release`. Returns False if there is none."""
        with self._lock:
            if self._active >= self._limit:
                return False
            self._active += 1
            return True

    def release(self) -> None:
        """Frees a place."""
        with self._lock:
            self._active -= 1
