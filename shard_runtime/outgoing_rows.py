"""Rows of several runs on their way to the next stages: what goes to the same stage over the same
hop travels in one frame, so that it can be computed together there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shard_runtime.frames import MAX_MEMBERS, Batch, Hidden
from teetee.identifiers import ShardId


@dataclass(frozen=True, slots=True)
class Row:
    """One run's rows, and where they go."""

    shard_id: ShardId
    frame: Hidden


def bundles(rows: Sequence[Row]) -> Iterator[tuple[ShardId, Hidden | Batch]]:
    """Frames in the order of their first run."""
    grouped: dict[tuple[ShardId, int], list[Hidden]] = {}
    for row in rows:
        grouped.setdefault((row.shard_id, row.frame.place.hop), []).append(row.frame)
    for (shard_id, hop), frames in grouped.items():
        for start in range(0, len(frames), MAX_MEMBERS):
            some = frames[start : start + MAX_MEMBERS]
            yield shard_id, some[0] if len(some) == 1 else Batch(hop, tuple(some))
