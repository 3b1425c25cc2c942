# SPDX-License-Identifier: Apache-2.0
"""Which entries to seal a prompt to, and which shards could come to see something of it. Pure.

The entry chooses the path when it runs the request. So the wallet looks for entries behind which a
whole path exists, and checks every shard that could stand on one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from teetee.chain.types.shards import Shard
from teetee.client.errors import TooFewEntries
from teetee.errors import NoEntryShard, PathIncomplete, SpreadUnmet
from teetee.protocol.path import Spread, choose_path


def shards_on_paths(shards: Sequence[Shard], layer_count: int) -> tuple[Shard, ...]:
    """Those of the active `shards` that stand on some path from an entry to the last layer, entries
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
        farthest = max(reached)
        raise PathIncomplete(entries[0].model_id, farthest, layer_count)
    starts = _reached_from_start(on_path, middles)
    on_path += [
        each for each in middles if each.layers.first in starts and each.layers.end in leading
    ]
    return tuple(on_path)


def spread_entries(
    on_paths: Sequence[Shard], layer_count: int, spread: Spread
) -> tuple[Shard, ...]:
    """Those of `shards_on_paths`, without entries from which no path has enough different hosts and
    platforms to be paid. Raises `SpreadUnmet` when no entry is left.
    """
    kept, refusal = [], None
    for shard in on_paths:
        try:
            if shard.is_entry:
                choose_path(
                    on_paths, layer_count, shard.model_id, entry=shard.shard_id, spread=spread
                )
            kept.append(shard)
        except SpreadUnmet as error:
            refusal = error
    if refusal is not None and not any(shard.is_entry for shard in kept):
        raise refusal
    return tuple(kept)


def choose_recipients(
    on_paths: Sequence[Shard], count: int, *, lasting_until: int, chance: random.Random
) -> tuple[Shard, ...]:
    """`count` entries, the primary first: attested beyond the deadline first, of different hosts
    where possible.

    Among equals chance decides, so that work is spread. Raises `TooFewEntries`.
    """
    entries = [shard for shard in on_paths if shard.is_entry]
    if len(entries) < count:
        model_id = on_paths[0].model_id if on_paths else 0
        raise TooFewEntries(model_id, count, len(entries))
    chance.shuffle(entries)
    entries.sort(key=lambda shard: shard.attested_until < lasting_until)
    chosen: list[Shard] = []
    while len(chosen) < count:
        hosts = {shard.host for shard in chosen}
        left = [shard for shard in entries if shard not in chosen]
        chosen.append(next((shard for shard in left if shard.host not in hosts), left[0]))
    return tuple(chosen)


def _reached_from_start(entries: Sequence[Shard], middles: Sequence[Shard]) -> set[int]:
    """Layers at which a path from an entry can go on."""
    reached = {entry.layers.end for entry in entries}
    # Ranges only lead upwards, so one pass in order of their first layer sees every path.
    for shard in sorted(middles, key=lambda shard: shard.layers.first):
        if shard.layers.first in reached:
            reached.add(shard.layers.end)
    return reached


def _leading_to_end(middles: Sequence[Shard], layer_count: int) -> set[int]:
    """Layers from which the last layer can be reached."""
    leading = {layer_count}
    for shard in sorted(middles, key=lambda shard: shard.layers.end, reverse=True):
        if shard.layers.end in leading:
            leading.add(shard.layers.first)
    return leading
