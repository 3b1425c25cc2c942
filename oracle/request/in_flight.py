# SPDX-License-Identifier: Apache-2.0
"""Which requests are in work, so that a stop can wait for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    """Thread-safe set of requests."""

    def __init__(self) -> None:
        self._requests: set[int] = set()
        self._changed = threading.Condition()

    @contextmanager
    def step(self, request_id: int, *, has_next: bool = False) -> Iterator[None]:
        """In work as long as the block runs; with `has_next`, on until the request's next step
        ends. Otherwise a stop could pass between the two, while the journal writes.
        """
        with self._changed:
            self._requests.add(request_id)
        try:
            yield
        except BaseException:
            self._end(request_id)
            raise
        if not has_next:
            self._end(request_id)

    def wait_until_none(self, seconds: float) -> bool:
        """Whether nothing is in work any more, after at most `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._requests, timeout=seconds)

    def _end(self, request_id: int) -> None:
        with self._changed:
            self._requests.discard(request_id)
            self._changed.notify_all()
