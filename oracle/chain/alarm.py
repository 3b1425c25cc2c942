# SPDX-License-Identifier: Apache-2.0
"""The alarm of RPC nodes that contradict each other."""

import threading
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from teetee.chain.errors import NodesDisagree

QUIET_SECONDS = 30.0


class DisagreementAlarm:
    """Writes to the log, at most once in 30 s. `Connection.node_states` counts them all."""

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in s."""
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at: float | None = None
        self._count = 0

    def __call__(self, error: NodesDisagree) -> None:
        """May be called from any thread."""
        with self._lock:
            self._count += 1
            now = self._clock()
            if self._logged_at is not None and now - self._logged_at < QUIET_SECONDS:
                return
            self._logged_at, count, self._count = now, self._count, 0
        self._log.error("RPC nodes contradict each other", count=count, error=error)
