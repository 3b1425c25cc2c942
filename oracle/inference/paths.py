# SPDX-License-Identifier: Apache-2.0
"""Which shards run a request: active ones that tile the model, beginning at this entry.

The path that is likely the fastest now, over as many hosts and platforms as the model asks for; a
shard that failed lately, or whose attestation ends before the request's deadline, comes last.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from oracle.chain.peers import ChainPeers
from oracle.errors import NoPath
from teetee.chain.types.shards import Shard
from teetee.errors import PathError
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.path import choose_path

# A failed shard is tried again after this long, in s, even when there is a replica.
REST_SECONDS = 15.0


class Paths(Protocol):
    """Chooses, and learns what failed."""

    def choose(self, *, avoiding: frozenset[ShardId], until: int) -> Sequence[ShardId]:
        """A path whose first shard is this entry, for a request with the deadline `until`, in
        Unix seconds. Raises `NoPath`.
        """

    def blame(self, shards: Iterable[ShardId]) -> None:
        """These have failed a request."""


class RegistryPaths:
    """Over the shards that the peer directory believes. Thread-safe."""

    def __init__(
        self,
        *,
        peers: ChainPeers,
        model_id: ModelId,
        layer_count: int,
        entry: ShardId,
        cost: Callable[[ShardId], float],
        clock: Callable[[], float],
    ) -> None:
        """`cost`: seconds that one more token takes over a shard, as the runtime measures it."""
        self._peers = peers
        self._model_id = model_id
        self._layer_count = layer_count
        self._entry = entry
        self._cost = cost
        self._clock = clock
        self._resting: dict[ShardId, float] = {}
        self._lock = threading.Lock()

    def choose(self, *, avoiding: frozenset[ShardId], until: int) -> Sequence[ShardId]:
        """A path without `avoiding`; also without what comes last, where there is one."""
        shards = self._peers.active()
        failed = self._failed_lately()
        ending = frozenset(each.shard_id for each in shards if each.attested_until < until)
        spread = self._peers.spread()
        # Often some of these are the same: asked once.
        for last in dict.fromkeys((failed | ending, ending, failed, frozenset[ShardId]())):
            try:
                path = choose_path(
                    shards,
                    self._layer_count,
                    self._model_id,
                    entry=self._entry,
                    without=(avoiding | last) - {self._entry},
                    spread=spread,
                    cost=self._microseconds,
                )
            except PathError:
                continue
            return [shard.shard_id for shard in path]
        raise NoPath(model_id=self._model_id, layers=self._layer_count)

    def blame(self, shards: Iterable[ShardId]) -> None:
        """These come last for a while; our own shard has no replica to be preferred."""
        until = self._clock() + REST_SECONDS
        with self._lock:
            self._resting |= {shard_id: until for shard_id in shards if shard_id != self._entry}

    def _microseconds(self, shard: Shard) -> int:
        # Our own shard begins every path, whatever it costs.
        is_ours = shard.shard_id == self._entry
        return 1 if is_ours else max(1, round(self._cost(shard.shard_id) * 1e6))

    def _failed_lately(self) -> frozenset[ShardId]:
        with self._lock:
            now = self._clock()
            self._resting = {
                shard_id: until for shard_id, until in self._resting.items() if until > now
            }
            return frozenset(self._resting)
