# SPDX-License-Identifier: Apache-2.0
"""Warns before the attestation expires. Only the host can renew it: the registry requires a
transaction from the host's wallet.
"""

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import Blocks, RegistryReader
from teetee.chain.types.shards import Shard


class RenewalWatch:
    """One loop calls `check`."""

    def __init__(
        self,
        *,
        registry: RegistryReader,
        blocks: Blocks,
        heads: Heads,
        warning_seconds: int,
        log: FilteringBoundLogger,
    ) -> None:
        """It warns for the last `warning_seconds`, or the last third of the attestation's lifetime,
        whichever is shorter.
        """
        self._registry = registry
        self._blocks = blocks
        self._heads = heads
        self._warning_seconds = warning_seconds
        self._log = log

    def check(self) -> None:
        """Logs what the host has to do, if anything. Raises `Retryable`."""
        at = self._heads.current()
        own = self._registry.own_shard(at=at)
        if own is None:
            return
        left = own.attested_until - at.timestamp
        facts = {"shard_id": int(own.shard_id), "seconds_left": left}
        if not own.is_active:
            self._log.error("shard is not active: run `teetee host renew`", **facts)
        elif left < self._warn_before(own):
            self._log.warning("quote expires soon: run `teetee host renew`", **facts)

    def _warn_before(self, own: Shard) -> float:
        quoted = self._blocks.at(own.quoted_block_number)
        if quoted is None:  # the node has pruned it
            return self._warning_seconds
        return min(self._warning_seconds, (own.attested_until - quoted.timestamp) / 3)
