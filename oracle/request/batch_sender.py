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

from oracle.errors import Stopped
from oracle.inference.errors import InferenceStopped
from teetee.errors import Retryable

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
        choose: Callable[[Sequence[Item]], Sequence[Item]],
        window: float,
        abandon: threading.Event,
    ) -> None:
        """`window` in s: how long the first item of a batch waits for others; `choose`: those that
        share the next transaction, at least one. Once `abandon` is set, nothing more is begun.
        """
        self._post = post
        self._done = done
        self._choose = choose
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
            if not batch:  # what was left over has waited already
                batch = [self._ready.get(timeout=WAIT_SECONDS)]
                self._abandon.wait(self._window)
            while True:
                batch.append(self._ready.get_nowait())
        except queue.Empty:
            pass
        chosen = list(self._choose(batch)) if batch else []
        chosen_ids = {id(one) for one in chosen}
        self._left_over = [one for one in batch if id(one) not in chosen_ids]
        return chosen

    def _send(self, batch: Sequence[Item]) -> None:
        result: str | Exception = InferenceStopped()
        try:
            if not self._abandon.is_set():
                result = self._post(batch)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - passed on to who submitted them
            if len(batch) > 1 and not isinstance(error, Retryable):
                # One invalid item must not hold back the others, nor cost each a transaction; and
                # neither half waits for the other.
                middle = len(batch) // 2
                self._parts.put(batch[:middle])
                self._parts.put(batch[middle:])
                return
            result = error
        for one in batch:
            self._done(one, result)
