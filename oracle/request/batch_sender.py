# SPDX-License-Identifier: Apache-2.0
"""Collects endings of requests (settlements, declines, refunds) that are ready at about the same
time, and posts them in one transaction.

How long a batch collects and how long its transaction may take are settings
(oracle/process/settings.py); fees and resending are in teetee/chain/transactions/fee_policy.py. The
dispatcher tries a failed ending again at the next block.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from oracle.errors import Rejected, Stopped
from oracle.inference.errors import InferenceStopped

Item = TypeVar("Item")

Post = Callable[[Sequence[Item]], str]
"""Sends one transaction, waits until it is confirmed, and returns its hash."""
Done = Callable[[Item, str | Exception], None]
"""Gets each item with the transaction that included it, or with what went wrong."""
WAIT_SECONDS = 0.2


class BatchSender(Generic[Item]):
    """Any thread calls `submit`; as many loops as batches may be in flight call `run_once`."""

    def __init__(
        self,
        post: Post[Item],
        done: Done[Item],
        *,
        count_fitting: Callable[[Sequence[Item]], int],
        window: float,
        abandon: threading.Event,
    ) -> None:
        """`window` in s: how long the first item of a batch waits for others; `count_fitting`: how
        many from the front fit into one transaction, at least one. Once `abandon` is set, nothing
        more is begun.
        """
        self._post = post
        self._done = done
        self._count_fitting = count_fitting
        self._window = window
        self._abandon = abandon
        self._ready: queue.Queue[Item] = queue.Queue()
        self._left_over: list[Item] = []
        self._parts: queue.SimpleQueue[Sequence[Item]] = queue.SimpleQueue()
        """Halves of batches that were rejected."""
        self._lock = threading.Lock()

    def submit(self, item: Item) -> None:
        """Queues an item; `done` gets it back."""
        self._ready.put(item)

    def run_once(self) -> None:
        """Posts one batch, if an item is ready within a moment."""
        with self._lock:
            batch = self._collect()
        if batch:
            self._send(batch)

    def _collect(self) -> list[Item]:
        with suppress(queue.Empty):
            return list(self._parts.get_nowait())
        batch, self._left_over = self._left_over, []
        try:
            batch = batch or [self._ready.get(timeout=WAIT_SECONDS)]
            self._abandon.wait(self._window)
            while True:
                batch.append(self._ready.get_nowait())
        except queue.Empty:
            pass
        fitting = self._count_fitting(batch) if batch else 0
        self._left_over = batch[fitting:]
        return batch[:fitting]

    def _send(self, batch: Sequence[Item]) -> None:
        result: str | Exception = InferenceStopped()
        try:
            if not self._abandon.is_set():
                result = self._post(batch)
        except Stopped:
            pass
        except Rejected as error:
            if len(batch) > 1:
                # One invalid item must not hold back the others, nor cost each a transaction; and
                # neither half waits for the other.
                middle = len(batch) // 2
                self._parts.put(batch[:middle])
                self._parts.put(batch[middle:])
                return
            result = error
        except Exception as error:  # noqa: BLE001 - passed on to who submitted them
            result = error
        for one in batch:
            self._done(one, result)
