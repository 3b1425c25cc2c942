# SPDX-License-Identifier: Apache-2.0
"""Which shards can serve a request together, and which layers no shard serves. Pure.

The entry chooses the path when it runs the request, so the wallet looks at every shard that could
be on one. `requests.recipients` chooses the entries that a request names, among those on a whole
path.
"""

from __future__ import annotations

from collections.abc import Sequence

from teetee.chain.types.shards import Shard
from teetee.errors import NoEntryShard, PathIncomplete
from teetee.protocol.layers import LayerRange


def shards_on_paths(shards: Sequence[Shard], layer_count: int) -> tuple[Shard, ...]:
    """Return those active `shards` that are on some path from an entry to the last layer, entries
    first.

    Raises `NoEntryShard`, `PathIncomplete`.
    """
    entries = [shard for shard in shards if shard.is_entry]
    if not entries:
        model_id = shards[0].model_id if shards else 0
        raise NoEntryShard(model_id)
    middles = [shard for shard in shards if not shard.is_entry]
    reached = _reached_from_start(entries, middles)
    leading = _leading_to_end(middles, layer_count)
    on_path = [entry for entry in entries if entry.layers.end in leading]
    if not on_path:
        raise PathIncomplete(entries[0].model_id, max(reached), layer_count)
    starts = _reached_from_start(on_path, middles)
    on_path += [
        each for each in middles if each.layers.first in starts and each.layers.end in leading
    ]
    return tuple(on_path)


def uncovered_layers(layer_count: int, ranges: Sequence[LayerRange]) -> tuple[LayerRange, ...]:
    """Return the gaps between ranges, which may overlap."""
    gaps = []
    reached = 0
    for layers in sorted(ranges):
        if layers.first > reached:
            gaps.append(LayerRange(reached, layers.first))
        reached = max(reached, layers.end)
    if reached < layer_count:
        gaps.append(LayerRange(reached, layer_count))
    return tuple(gaps)


def _reached_from_start(entries: Sequence[Shard], middles: Sequence[Shard]) -> set[int]:
    """Layers at which a path from an entry can continue."""
    reached = {entry.layers.end for entry in entries}
    # Ranges only lead upwards, so one pass in order of the first layer finds every path.
    for shard in sorted(middles, key=lambda shard: shard.layers.first):
        if shard.layers.first in reached:
            reached.add(shard.layers.end)
    return reached


def _leading_to_end(middles: Sequence[Shard], layer_count: int) -> set[int]:
    """Layers from which a path can reach the last layer."""
    leading = {layer_count}
    for shard in sorted(middles, key=lambda shard: shard.layers.end, reverse=True):
        if shard.layers.end in leading:
            leading.add(shard.layers.first)
    return leading
