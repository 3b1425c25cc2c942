# SPDX-License-Identifier: Apache-2.0
"""Chooses a path: active shards that tile a model's layers, beginning with an entry, over as many
hosts and platforms as the model's policy requires. Pure.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol, TypeVar

from teetee.errors import NoEntryShard, PathIncomplete, SpreadUnmet
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.layers import LayerRange

PLATFORM_TAG_BYTES = 8
"""The prefix of a platform id that contracts store with a shard's signer and compare."""


class PathCandidate(Protocol):
    """The properties of a shard that path selection needs."""

    @property
    def shard_id(self) -> ShardId:
        """Its id."""

    @property
    def layers(self) -> LayerRange:
        """The layers that it serves."""

    @property
    def is_entry(self) -> bool:
        """Whether it can begin a path."""

    @property
    def host(self) -> str:
        """The wallet that owns it."""

    @property
    def platform_id(self) -> bytes:
        """The machine it runs on, 32 bytes."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The numbers of different hosts and platforms that a path needs to be paid."""

    hosts: int = 1
    platforms: int = 1

    def is_met(self, hosts: int, platforms: int) -> bool:
        """By a path over that many different hosts and platforms."""
        return hosts >= self.hosts and platforms >= self.platforms


NO_SPREAD = Spread()

ShardPair = frozenset[ShardId]
"""Two shards that should not be on the same path."""

_Shard = TypeVar("_Shard", bound=PathCandidate)


def unit_cost(_shard: PathCandidate) -> int:
    """The cost of a stage about which nothing is known; makes the shortest path the cheapest."""
    return 1


def choose_path(
    shards: Iterable[_Shard],
    layer_count: int,
    model_id: ModelId,
    *,
    entry: ShardId | None = None,
    excluded: frozenset[ShardId] = frozenset(),
    apart: frozenset[ShardPair] = frozenset(),
    spread: Spread = NO_SPREAD,
    cost: Callable[[_Shard], int] = unit_cost,
) -> tuple[_Shard, ...]:
    """The cheapest path that meets `spread`; of equal ones, the one with the lowest shard ids.

    `shards` are the model's active ones. `entry` fixes the first stage, `excluded` shards are
    ignored, and no path has both shards of a pair of `apart`. `cost` is called once per shard and
    returns an integer of at least 1; by default the path with the fewest stages wins. Raises
    `NoEntryShard`, `SpreadUnmet` (also if only paths over such pairs are left), or `PathIncomplete`
    naming the farthest layer that a path reaches.
    """
    usable = sorted(
        (shard for shard in shards if shard.shard_id not in excluded),
        key=lambda shard: shard.shard_id,
    )
    entries = [
        shard
        for shard in usable
        if shard.is_entry and shard.layers.first == 0 and entry in (None, shard.shard_id)
    ]
    if not entries:
        raise NoEntryShard(model_id)
    middles = [shard for shard in usable if not shard.is_entry]
    costs = {shard.shard_id: cost(shard) for shard in [*entries, *middles]}
    left = _cost_left(middles, costs, layer_count)
    if not any(shard.layers.end in left for shard in entries):
        raise PathIncomplete(model_id, _farthest(entries, middles), layer_count)
    if spread.is_met(*_count_distinct([*entries, *middles])):
        for path in _paths(entries, middles, costs, left, spread, apart):
            if spread.is_met(*_count_distinct(path)):
                return path
    raise SpreadUnmet(model_id, spread.hosts, spread.platforms)


def _paths(
    entries: Sequence[_Shard],
    middles: Sequence[_Shard],
    costs: Mapping[ShardId, int],
    left: Mapping[int, int],
    spread: Spread,
    apart: frozenset[ShardPair],
) -> Iterator[tuple[_Shard, ...]]:
    """Complete paths, the best first. Of partial paths to a layer over the same hosts, platforms
    and shards of pairs, only the best is extended: every continuation costs them the same.
    """
    paired = frozenset[ShardId]().union(*apart)
    order = count()  # breaks ties before the paths would be compared
    heap: list[tuple[int, tuple[int, ...], int, tuple[_Shard, ...]]] = []

    def push(path: tuple[_Shard, ...]) -> None:
        end = path[-1].layers.end
        ids = tuple(shard.shard_id for shard in path)
        if end in left and not any(pair.issubset(ids) for pair in apart):
            spent = sum(costs[shard_id] for shard_id in ids)
            heapq.heappush(heap, (spent + left[end], ids, next(order), path))

    for shard in entries:
        push((shard,))
    seen = set()
    while heap:
        *_, path = heapq.heappop(heap)
        end = path[-1].layers.end
        on_path = paired.intersection(shard.shard_id for shard in path)
        key = (end, on_path, *_spread_key(path, spread))
        if key in seen:
            continue
        seen.add(key)
        if left[end] == 0:
            yield path
        for shard in middles:
            if shard.layers.first == end:
                push((*path, shard))


def _spread_key(path: Sequence[_Shard], spread: Spread) -> tuple[object, object]:
    """Its hosts and platforms, or None for those of which there are enough already."""
    hosts = frozenset(shard.host for shard in path)
    platforms = frozenset(_tag(shard) for shard in path)
    return (
        hosts if len(hosts) < spread.hosts else None,
        platforms if len(platforms) < spread.platforms else None,
    )


def _count_distinct(path: Sequence[_Shard]) -> tuple[int, int]:
    return len({shard.host for shard in path}), len({_tag(shard) for shard in path})


def _tag(shard: PathCandidate) -> bytes:
    return shard.platform_id[:PLATFORM_TAG_BYTES]


def _cost_left(
    middles: Sequence[_Shard], costs: Mapping[ShardId, int], layer_count: int
) -> dict[int, int]:
    """The minimum cost from each layer to the end, for layers from which the end can be reached."""
    left = {layer_count: 0}
    for shard in sorted(middles, key=lambda shard: -shard.layers.first):
        if shard.layers.end in left:
            found = costs[shard.shard_id] + left[shard.layers.end]
            left[shard.layers.first] = min(found, left.get(shard.layers.first, found))
    return left


def _farthest(entries: Sequence[_Shard], middles: Sequence[_Shard]) -> int:
    """The highest layer that can be reached from an entry."""
    reached = {shard.layers.end for shard in entries}
    for shard in sorted(middles, key=lambda shard: shard.layers.first):
        if shard.layers.first in reached:
            reached.add(shard.layers.end)
    return max(reached)
