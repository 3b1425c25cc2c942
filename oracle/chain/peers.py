# SPDX-License-Identifier: Apache-2.0
"""The peers that links may connect to: `shard_runtime`'s peer directory, filled from the registry.

It lists active, unexpired shards of this model whose announced keys match the identity digest on
chain. Every call checks expiry against chain time, not only the registry read. When the view is
stale it accepts no peer: nodes that fall silent must not keep an evicted peer connected.
"""

import threading
from collections.abc import Callable, Sequence

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import RegistryReader
from oracle.errors import HeadIsStale
from shard_runtime import Peer
from shard_runtime.errors import PeerUnknown
from teetee.chain.types.shards import Shard
from teetee.errors import TeeTeeError
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from teetee.protocol.path import NO_SPREAD, Spread


class ChainPeers:
    """Implements `shard_runtime.PeerDirectory`.

    One loop calls `poll`; any thread may call the rest.
    """

    def __init__(
        self,
        *,
        registry: RegistryReader,
        heads: Heads,
        stale_after: float,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
    ) -> None:
        """`stale_after` in s, 0 for never; `clock` is monotonic, in s."""
        self._registry = registry
        self._heads = heads
        self._stale_after = stale_after
        self._clock = clock
        self._log = log
        self._shards: dict[ShardId, tuple[Shard, Peer]] = {}
        self._spread = NO_SPREAD
        self._read_at = clock()
        self._lock = threading.Lock()

    def poll(self) -> None:
        """Reads the registry at the newest block. Raises `Retryable`; the previous view then stays
        until it is stale.
        """
        at = self._heads.current()
        found = {
            shard.shard_id: (shard, peer)
            for shard in self._registry.active_shards(at=at)
            if (peer := self._peer(shard)) is not None
        }
        spread = self._registry.spread(at=at)
        with self._lock:
            former, self._shards = self._shards, found
            self._spread = spread
            self._read_at = self._clock()
        for shard_id in sorted(found.keys() - former.keys()):
            self._log.info("shard became active", shard_id=int(shard_id))
        for shard_id in sorted(former.keys() - found.keys()):
            self._log.info("shard is no longer active", shard_id=int(shard_id))

    def active_shards(self) -> Sequence[Shard]:
        """The shards that may serve now, by ascending id; empty when the view is stale."""
        return [shard for shard, _ in self._current_view().values()]

    def spread(self) -> Spread:
        """How many hosts and platforms a path must cover to be paid."""
        with self._lock:
            return self._spread

    def find(self, shard_id: ShardId) -> Peer:
        """The peer of an active shard. Raises `PeerUnknown`, also when the view is stale."""
        try:
            return self._current_view()[shard_id][1]
        except KeyError:
            raise PeerUnknown(shard_id) from None

    def accepts(self, tls: bytes) -> bool:
        """Whether a shard that may serve now has this TLS key."""
        return any(peer.tls == tls for _, peer in self._current_view().values())

    def _current_view(self) -> dict[ShardId, tuple[Shard, Peer]]:
        try:
            now = self._heads.current().timestamp
        except HeadIsStale:
            return {}
        with self._lock:
            shards, age = self._shards, self._clock() - self._read_at
        if self._stale_after and age > self._stale_after:
            return {}
        return {
            shard_id: pair for shard_id, pair in shards.items() if pair[0].attested_until >= now
        }

    def _peer(self, shard: Shard) -> Peer | None:
        try:
            endpoint = Endpoint.parse(shard.endpoint)
        except TeeTeeError:
            # The host announced an invalid endpoint; the other shards stay usable.
            self._log.warning("shard has no valid endpoint", shard_id=int(shard.shard_id))
            return None
        return Peer(
            shard_id=shard.shard_id,
            host=endpoint.host,
            port=endpoint.port,
            tls=shard.keyset.tls,
            layers=shard.layers,
            signer=shard.keyset.signer,
            identity_digest=shard.identity_digest,
        )
