# SPDX-License-Identifier: Apache-2.0
"""How many jobs run at once.

Two limits apply, in this order; nothing else counts requests or jobs:

1. `oracle.request.watcher` starts an on-chain request only while the journal has fewer than
   `TEETEE_REQUESTS_HELD` active ones. The others stay on chain, and the next poll finds them again,
   oldest first.
2. Every job, wherever it comes from, holds one of `TEETEE_REQUESTS_AT_ONCE` slots of this module
   while it runs. A request waits for its slot with its envelope still sealed.

Behind them the runtime counts nothing: a run waits in FIFO order until its worst-case KV cache fits
into `TEETEE_CACHE_BYTES`, and then the scheduler shares each step among the runs.

All three are settings; their defaults are in `oracle.process.settings`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from oracle.inference.errors import Blocker, InferenceStopped, JobCancelled

POLL_SECONDS = 0.2


class Admission:
    """The slots of one entry, shared by all callers. Thread-safe."""

    def __init__(self, *, max_concurrent_jobs: int, stop: threading.Event) -> None:
        """No job is admitted once `stop` is set."""
        self._slots = threading.BoundedSemaphore(max_concurrent_jobs)
        self._stop = stop

    @contextmanager
    def slot(self, is_cancelled: Callable[[], bool]) -> Iterator[None]:
        """Waits for a free slot and holds it while the block runs.

        Raises:
            JobCancelled: `is_cancelled` said so during the wait.
            InferenceStopped: the process stops.
        """
        self._acquire(is_cancelled)
        try:
            yield
        finally:
            self._slots.release()

    def _acquire(self, is_cancelled: Callable[[], bool]) -> None:
        while not self._slots.acquire(timeout=POLL_SECONDS):
            if self._stop.is_set():
                raise InferenceStopped
            if is_cancelled():
                raise JobCancelled(Blocker.CAPACITY)
        if self._stop.is_set():
            self._slots.release()
            raise InferenceStopped
