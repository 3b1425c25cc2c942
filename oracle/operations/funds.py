# SPDX-License-Identifier: Apache-2.0
"""Watches the signer's ether, from which settlements are paid."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.operations.metrics import Metrics
from teetee.chain.transactions.fee_policy import market_fees

WEI_PER_ETHER = 10**18

# Of a settlement over a few stages, with an answer of some KiB: benchmarks/results/gas.md.
SETTLEMENT_GAS = 600_000
READ_SECONDS = 60.0


class Account(Protocol):
    """The part of `Connection` that is used here."""

    def ether_of(self, address: str) -> int:
        """Wei."""

    def base_fee_and_tip(self) -> tuple[int, int]:
        """Wei per gas."""


class Funds:
    """One loop calls `check`; any thread may read."""

    def __init__(
        self,
        account: Account,
        address: str,
        *,
        warn_below_ether: float,
        metrics: Metrics,
        log: FilteringBoundLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._read_at = -math.inf
        self._account = account
        self._address = address
        self._warn_below_ether = warn_below_ether
        self._metrics = metrics
        self._log = log
        self._is_low = False
        self._is_out = False
        metrics.set("signer_ether_warning", warn_below_ether)

    def check(self) -> None:
        """Reads the balance, once a minute or, while it pays for no settlement, at each call; logs
        when it becomes low or too low. Raises `Retryable`.
        """
        if not self._is_out and self._clock() - self._read_at < READ_SECONDS:
            return
        balance = self._account.ether_of(self._address)
        price = market_fees(*self._account.base_fee_and_tip()).max_fee
        settlements, ether = balance // max(1, price * SETTLEMENT_GAS), balance / WEI_PER_ETHER
        self._read_at = self._clock()
        self._metrics.set("signer_ether", ether)
        self._metrics.set("signer_settlements_left", settlements)
        was_low, was_out = self._is_low, self._is_out
        self._is_low, self._is_out = ether < self._warn_below_ether, settlements < 1
        facts = {"ether": round(ether, 6), "count": settlements}
        if self._is_out and not was_out:
            self._log.error("signer cannot pay for a settlement: send it ether", **facts)
        elif self._is_low and not was_low:
            self._log.warning("signer's ether is low: send it some", **facts)

    def reasons(self) -> Iterator[str]:
        """Reason why an entry should not be asked: it could not settle."""
        if self._is_out:
            yield "no_ether"
