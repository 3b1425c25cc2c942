# SPDX-License-Identifier: Apache-2.0
"""Collects settlements that are ready at about the same time and posts them in one transaction.

How long a batch collects and how long its transaction may take are settings
(oracle/process/settings.py); fees and resending are in teetee/chain/transactions/fee_policy.py.
`workflow` tries a failed settlement again at the next block.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from oracle.chain.ports import EscrowWriter
from oracle.errors import Rejected, Stopped
from oracle.records import Answered

# Keeps a batch far below the gas limit of one transaction (2^24 on Base), answers of 64 KiB
# included.
MAX_BATCH_BYTES = 96 * 1024
MAX_BATCH_SIZE = 20


@dataclass(frozen=True, slots=True)
class _Pending:
    answered: Answered
    posted: "Future[str]" = field(default_factory=Future)


class Settler:
    """Any number of request threads call `settle`; one loop calls `run_once`."""

    def __init__(
        self,
        *,
        writer: EscrowWriter,
        window: float,
        abandon: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        """`window` in s: how long the first settlement of a batch waits for others."""
        self._writer = writer
        self._window = window
        self._abandon = abandon
        self._log = log
        self._ready: queue.Queue[_Pending] = queue.Queue()
        self._left_over: list[_Pending] = []

    def settle(self, answered: Answered) -> str:
        """Waits until the settlement's transaction is confirmed, and returns its hash.

        Raises:
            Retryable: not now; read the request's state before trying again.
            Rejected: the escrow refuses this settlement.
            Stopped: the process stops, and the settlement was not sent.
        """
        pending = _Pending(answered)
        self._ready.put(pending)
        while True:
            try:
                return pending.posted.result(timeout=0.5)
            except TimeoutError:
                # A settlement that is being posted is waited for; one still queued is dropped.
                if self._abandon.is_set() and pending.posted.cancel():
                    raise Stopped from None

    def run_once(self) -> None:
        """Posts one batch, if a settlement is ready within a moment."""
        batch = self._collect()
        if batch:
            self._post(batch)

    def _collect(self) -> list[_Pending]:
        batch, self._left_over = self._left_over, []
        try:
            batch = batch or [self._ready.get(timeout=0.2)]
            self._abandon.wait(self._window)
            while len(batch) < MAX_BATCH_SIZE:
                batch.append(self._ready.get_nowait())
        except queue.Empty:
            pass
        fitting = _count_fitting(batch)
        self._left_over = batch[fitting:]
        return [one for one in batch[:fitting] if one.posted.set_running_or_notify_cancel()]

    def _post(self, batch: Sequence[_Pending]) -> None:
        try:
            transaction = self._writer.settle([one.answered for one in batch])
        except Rejected as error:
            if len(batch) == 1:
                batch[0].posted.set_exception(error)
                return
            # One invalid settlement must not hold back the others.
            for one in batch:
                self._post([one])
        except Exception as error:  # noqa: BLE001 - passed on to the requests' threads
            for one in batch:
                one.posted.set_exception(error)
        else:
            self._log.info(
                "settled",
                request_ids=[int(one.answered.request_id) for one in batch],
                transaction=transaction,
            )
            for one in batch:
                one.posted.set_result(transaction)


def _count_fitting(batch: Sequence[_Pending]) -> int:
    """How many settlements from the front fit into one transaction; at least one."""
    total = 0
    for count, one in enumerate(batch):
        total += len(one.answered.answer)
        if count and total > MAX_BATCH_BYTES:
            return count
    return len(batch)
