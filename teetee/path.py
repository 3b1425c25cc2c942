"""Choosing a path: active shards which tile a model's layers, beginning with an entry. Pure."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from teetee.errors import NoEntryShard, PathIncomplete
from teetee.identifiers import ModelId, ShardId
from teetee.layers import LayerRange


class Stage(Protocol):
    """What has to be known of a shard to put it into a path."""

    @property
    def shard_id(self) -> ShardId:
        """Its number."""

    @property
    def layers(self) -> LayerRange:
        """What it serves."""

    @property
    def is_entry(self) -> bool:
        """Whether it can begin a path."""


_Shard = TypeVar("_Shard", bound=Stage)


def choose_path(
    shards: Iterable[_Shard],
    layer_count: int,
    model_id: ModelId,
    *,
    entry: ShardId | None = None,
    without: frozenset[ShardId] = frozenset(),
) -> tuple[_Shard, ...]:
    """The path with the fewest stages; among equals the one whose shard ids come first.

    `shards` are the active ones of this model. `entry` fixes the first stage, `without` leaves
    shards out. Raises `NoEntryShard`, and `PathIncomplete` naming the farthest layer at which
    nobody goes on.
    """
    usable = sorted(
        (shard for shard in shards if shard.shard_id not in without),
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
    # Shortest ways from each layer to the end, found from the end backwards.
    ways: dict[int, tuple[_Shard, ...]] = {layer_count: ()}
    for shard in sorted(middles, key=lambda shard: (-shard.layers.first, shard.shard_id)):
        _keep_better(ways, shard)
    whole = [(shard, *ways[shard.layers.end]) for shard in entries if shard.layers.end in ways]
    if not whole:
        raise PathIncomplete(model_id, _farthest(entries, middles), layer_count)
    return min(whole, key=_rank)


def _keep_better(ways: dict[int, tuple[_Shard, ...]], shard: _Shard) -> None:
    rest = ways.get(shard.layers.end)
    if rest is None:
        return
    way = (shard, *rest)
    known = ways.get(shard.layers.first)
    if known is None or _rank(way) < _rank(known):
        ways[shard.layers.first] = way


def _rank(way: tuple[_Shard, ...]) -> tuple[int, tuple[int, ...]]:
    return len(way), tuple(shard.shard_id for shard in way)


def _farthest(entries: list[_Shard], middles: list[_Shard]) -> int:
    """The highest layer that can be reached from an entry."""
    reached = {shard.layers.end for shard in entries}
    for shard in sorted(middles, key=lambda shard: shard.layers.first):
        if shard.layers.first in reached:
            reached.add(shard.layers.end)
    return max(reached)
