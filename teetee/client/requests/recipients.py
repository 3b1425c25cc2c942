# SPDX-License-Identifier: Apache-2.0
"""Chooses the entry shards that a prompt is sealed to. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

from teetee.chain.types.shards import Shard
from teetee.client.errors import TooFewEntries
from teetee.errors import SpreadUnmet
from teetee.protocol.path import Spread, choose_path


def spread_recipients(
    on_paths: Sequence[Shard], layer_count: int, spread: Spread
) -> tuple[Shard, ...]:
    """Return `on_paths` without the entries from which no path has enough different hosts and
    platforms to be paid.

    Raises `SpreadUnmet` when no entry is left.
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
    on_paths: Sequence[Shard], count: int, *, deadline: int, random_source: random.Random
) -> tuple[Shard, ...]:
    """Choose `count` entries, the primary first. Raises `TooFewEntries`."""
    return rank_recipients(on_paths, count, deadline=deadline, random_source=random_source)[:count]


def rank_recipients(
    on_paths: Sequence[Shard], count: int, *, deadline: int, random_source: random.Random
) -> tuple[Shard, ...]:
    """All entries, the best recipients first; there must be `count` of them.

    Entries attested beyond `deadline` (Unix seconds) come first, then entries of different hosts;
    the rest is random, which spreads the work. Raises `TooFewEntries`.
    """
    entries = [shard for shard in on_paths if shard.is_entry]
    if len(entries) < count:
        model_id = on_paths[0].model_id if on_paths else 0
        raise TooFewEntries(model_id, count, len(entries))
    random_source.shuffle(entries)
    entries.sort(key=lambda shard: shard.attested_until < deadline)
    chosen: list[Shard] = []
    while len(chosen) < len(entries):
        hosts = {shard.host for shard in chosen}
        remaining = [shard for shard in entries if shard not in chosen]
        chosen.append(next((each for each in remaining if each.host not in hosts), remaining[0]))
    return tuple(chosen)
