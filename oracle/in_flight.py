"""How many steps are running, so that a stop can wait for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    """Thread-safe counter."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts as long as the block runs."""
        with self._changed:
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def wait_until_none(self, seconds: float) -> bool:
        """Whether nothing runs any more, after at most `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, timeout=seconds)
