"""Which shards run a request: active ones that tile the model, beginning at this entry.

The shortest path over as many hosts and platforms as the model asks for. Among equally short ones
the one of the least cost (`oracle.loads`): replicas share the load by how near they are. A shard
that failed lately, or whose attestation ends before the request's deadline, comes last.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from oracle.errors import NoPath
from oracle.loads import Loads, RoundTrip
from oracle.peers import ChainPeers
from teetee.chain.shards import Shard
from teetee.errors import PathError
from teetee.identifiers import ModelId, ShardId
from teetee.path import choose_path

# A failed shard is tried again after this long, in s, even when there is a replica.
REST_SECONDS = 15.0
# Added to the cost of what failed lately, and of what may be unpaid because its attestation ends
# before the deadline: where no path does without such shards, as few of them as can be.
_FAILED_COST, _ENDING_COST = 1e4, 1e8


class Paths(Protocol):
    """Chooses, counts what is under way, and learns what failed."""

    def choose(
        self, *, avoiding: frozenset[ShardId], until: int, former: Sequence[ShardId]
    ) -> Sequence[ShardId]:
        """A path whose first shard is this entry; it counts as in use until `end`.

        until: the request's deadline, in chain time. former: the path that the same request leaves
        for this one, if any. Raises `NoPath`; `former` is in use then as before.
        """

    def end(self, path: Sequence[ShardId]) -> None:
        """A request needs this path no more."""

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
        clock: Callable[[], float],
        round_trip: RoundTrip,
    ) -> None:
        self._peers = peers
        self._model_id = model_id
        self._layer_count = layer_count
        self._entry = entry
        self._clock = clock
        self._loads = Loads(round_trip)
        self._resting: dict[ShardId, float] = {}
        self._lock = threading.Lock()

    def choose(
        self,
        *,
        avoiding: frozenset[ShardId],
        until: int = 0,
        former: Sequence[ShardId] = (),
    ) -> Sequence[ShardId]:
        """A path without `avoiding`; also without what comes last, where there is one."""
        shards = self._peers.active()
        ending = frozenset(each.shard_id for each in shards if each.attested_until < until)
        # All under one lock: what is chosen at the same time must count for each other.
        with self._lock:
            costs = self._loads.costs((each.shard_id for each in shards), former)
            path = self._choose(shards, costs, avoiding, self._failed_lately(), ending)
            self._loads.end(former)
            self._loads.begin(path)
        return path

    def end(self, path: Sequence[ShardId]) -> None:
        """Once for each path that was chosen and not left for another."""
        with self._lock:
            self._loads.end(path)

    def blame(self, shards: Iterable[ShardId]) -> None:
        """These come last for a while; our own shard has no replica to be preferred."""
        until = self._clock() + REST_SECONDS
        with self._lock:
            self._resting |= {shard_id: until for shard_id in shards if shard_id != self._entry}

    def _choose(
        self,
        shards: Sequence[Shard],
        costs: dict[ShardId, float],
        avoiding: frozenset[ShardId],
        failed: frozenset[ShardId],
        ending: frozenset[ShardId],
    ) -> Sequence[ShardId]:
        for shard_id in costs:
            costs[shard_id] += _FAILED_COST * (shard_id in failed)
            costs[shard_id] += _ENDING_COST * (shard_id in ending)
        spread = self._peers.spread()
        for last in (failed | ending, ending, failed, frozenset[ShardId]()):
            try:
                path = choose_path(
                    shards,
                    self._layer_count,
                    self._model_id,
                    entry=self._entry,
                    without=(avoiding | last) - {self._entry},
                    spread=spread,
                    costs=costs,
                )
            except PathError:
                continue
            return [shard.shard_id for shard in path]
        raise NoPath(model_id=self._model_id, layers=self._layer_count)

    def _failed_lately(self) -> frozenset[ShardId]:
        now = self._clock()
        self._resting = {
            shard_id: until for shard_id, until in self._resting.items() if until > now
        }
        return frozenset(self._resting)
