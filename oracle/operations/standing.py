# SPDX-License-Identifier: Apache-2.0
"""Where this enclave stands on chain: enrolled, active, attested until when, and on which view."""

import time
from collections.abc import Callable, Iterator

from oracle.chain.heads import Heads
from oracle.errors import HeadIsStale
from oracle.inference.errors import NoPath
from oracle.inference.inference import PathSource
from oracle.operations.metrics import Metrics
from teetee.chain.types.shards import Shard


def path_check(paths: PathSource) -> Callable[[], Iterator[str]]:
    """Reason why an entry should not be asked: there is no path for an answer."""

    def check() -> Iterator[str]:
        try:
            paths.choose(avoiding=frozenset(), permits=lambda _: True, until=0)
        except NoPath:
            yield "no_path"

    return check


class ShardStanding:
    """One loop sets `own`; any thread may call the rest."""

    def __init__(
        self,
        heads: Heads,
        metrics: Metrics,
        *,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        """`unix_time` serves `/metrics` alone, while the chain's own time cannot be read."""
        self._heads = heads
        self._metrics = metrics
        self._unix_time = unix_time
        self.own: Shard | None = None
        """The shard that the registry lists this enclave as, at the last look."""
        metrics.set_source("standing", self._expose)

    def check(self) -> Iterator[str]:
        """Reasons why it does not serve."""
        own = self.own
        try:
            now = self._heads.current().timestamp
        except HeadIsStale:
            yield "head_stale"
            now = 0
        if own is None:
            yield "not_enrolled"
        elif own.attested_until < now:
            yield "quote_expired"
        elif not own.is_active:
            yield "shard_inactive"

    def _expose(self) -> None:
        self._metrics.set("head_age_seconds", self._heads.age())
        try:
            head = self._heads.current()
        except HeadIsStale:
            now = self._unix_time()
        else:
            now = head.timestamp
            self._metrics.set("head_block", head.number)
        if (own := self.own) is not None:
            self._metrics.set("quote_seconds_left", own.attested_until - now)
            self._metrics.set("collateral_seconds_left", own.collateral_until - now)
