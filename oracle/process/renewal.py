# SPDX-License-Identifier: Apache-2.0
"""Says in time that the quote is about to expire. Only the host can renew it: the registry asks for
its transaction.
"""

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import RegistryReader


class RenewalWatch:
    """`look` is called by one loop."""

    def __init__(
        self,
        *,
        registry: RegistryReader,
        heads: Heads,
        warn_before: int,
        log: FilteringBoundLogger,
    ) -> None:
        """`warn_before` in s of chain time."""
        self._registry = registry
        self._heads = heads
        self._warn_before = warn_before
        self._log = log

    def look(self) -> None:
        """Logs what the host has to do, if anything. Raises `Retryable`."""
        at = self._heads.current()
        own = self._registry.own_shard(at=at)
        if own is None:
            return
        left = own.attested_until - at.timestamp
        facts = {"shard_id": int(own.shard_id), "seconds_left": left}
        if not own.is_active:
            self._log.error("shard is not active: run `teetee host renew`", **facts)
        elif left < self._warn_before:
            self._log.warning("quote expires soon: run `teetee host renew`", **facts)
