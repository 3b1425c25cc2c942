# SPDX-License-Identifier: Apache-2.0
"""Chooses the shards of a job: active ones that tile the model, starting at this entry.

The choice is a path expected to be about the fastest now, over as many hosts and platforms as the
model requires; which of several good ones is random, so that no shard can make sure to be on all of
them. Shards that failed recently, or whose attestation ends before the job expires, come last. If a
link failed, or one shard accuses another, the pair comes last: each is used without the other.
"""

import random
import threading
from collections.abc import Callable, Iterable, Sequence

from oracle.chain.peers import ChainPeers
from oracle.inference.errors import NoPath
from teetee.chain.types.shards import Shard
from teetee.errors import PathError
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.path import ShardPair, choose_path

# For this long, a shard that failed is used only if there is no replica.
AVOIDANCE_SECONDS = 15.0
# Paths count as equally good if one is estimated to take at most this many times as long.
GOOD_FACTOR = 1.25
# Of the pairs to keep apart, the newest count: more would make the choice slow.
MAX_PAIRS = 16


class RegistryPaths:
    """Implements `PathSource` over the peer directory. Thread-safe."""

    def __init__(
        self,
        *,
        peers: ChainPeers,
        model_id: ModelId,
        layer_count: int,
        entry: ShardId,
        cost: Callable[[ShardId], float],
        clock: Callable[[], float],
        random_source: random.Random | None = None,
    ) -> None:
        """`cost`: the seconds that another token takes on a shard, as the runtime measures them."""
        self._random = random_source or random.SystemRandom()
        self._peers = peers
        self._model_id = model_id
        self._layer_count = layer_count
        self._entry = entry
        self._cost = cost
        self._clock = clock
        self._failed_until: dict[ShardId, float] = {}
        self._parted_until: dict[ShardPair, float] = {}
        self._lock = threading.Lock()

    def choose(
        self, *, avoiding: frozenset[ShardId], permits: Callable[[ShardId], bool], until: int
    ) -> Sequence[ShardId]:
        """A path without `avoiding`, over shards that `permits` accepts, and if possible without
        shards that come last.

        Raises `NoPath`.
        """
        shards = [
            shard
            for shard in self._peers.active_shards()
            if shard.shard_id == self._entry or permits(shard.shard_id)
        ]
        failed, parted = self._failed_recently()
        ending = frozenset(each.shard_id for each in shards if each.attested_until < until)
        spread, none, together = self._peers.spread(), frozenset[ShardId](), frozenset[ShardPair]()
        # Often some of these are equal; each is tried once.
        for last, apart in dict.fromkeys(
            ((failed | ending, parted), (ending, together), (failed, parted), (none, together))
        ):
            try:
                path = choose_path(
                    shards,
                    self._layer_count,
                    self._model_id,
                    entry=self._entry,
                    excluded=(avoiding | last) - {self._entry},
                    apart=apart,
                    spread=spread,
                    cost=self._microseconds,
                )
            except PathError:
                continue
            return [shard.shard_id for shard in path]
        raise NoPath(model_id=self._model_id, layers=self._layer_count)

    def record_failure(self, shards: Iterable[ShardId], pairs: Iterable[ShardPair] = ()) -> None:
        """These shards come last for a while, and these pairs as long as both are on a path.

        Except this entry: every path starts with it.
        """
        until = self._clock() + AVOIDANCE_SECONDS
        with self._lock:
            self._failed_until |= {
                shard_id: until for shard_id in shards if shard_id != self._entry
            }
            for pair in pairs:
                self._parted_until.pop(pair, None)
                self._parted_until[pair] = until
            for pair in list(self._parted_until)[:-MAX_PAIRS]:
                del self._parted_until[pair]

    def _microseconds(self, shard: Shard) -> int:
        # This entry is on every path, so its own cost does not matter.
        is_entry = shard.shard_id == self._entry
        microseconds = self._cost(shard.shard_id) * self._random.uniform(1, GOOD_FACTOR) * 1e6
        return 1 if is_entry else max(1, round(microseconds))

    def _failed_recently(self) -> tuple[frozenset[ShardId], frozenset[ShardPair]]:
        with self._lock:
            now = self._clock()
            self._failed_until = {
                shard_id: until for shard_id, until in self._failed_until.items() if until > now
            }
            self._parted_until = {
                pair: until for pair, until in self._parted_until.items() if until > now
            }
            return frozenset(self._failed_until), frozenset(self._parted_until)
