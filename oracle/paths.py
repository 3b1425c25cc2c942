"""Which shards run a request: active ones that tile the model, beginning at this entry."""

from collections.abc import Sequence
from typing import Protocol

from teetee.identifiers import ShardId


class Paths(Protocol):
    """Chooses."""

    def choose(self, *, avoiding: frozenset[ShardId]) -> Sequence[ShardId]:
        """A path whose first shard is this entry. Raises `NoPath`."""
