# SPDX-License-Identifier: Apache-2.0
"""Which path a request takes next, and which shards it leaves out for a while.

A shard that failed is left out at first for a second, then twice as long each time; one that broke
the protocol, for good; one that had no room, for a quarter as long, and never long. Who chooses
among the others is the caller's matter.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence

from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import (
    LinkCongested,
    PeerUnknown,
    StageFailed,
    StageMisbehaved,
    StageSilent,
)
from teetee.errors import Retryable, TeeTeeError
from teetee.protocol.identifiers import ShardId

ChoosePath = Callable[[frozenset[ShardId]], Sequence[ShardId]]
"""(shards to avoid) → a path that begins with our own shard and has none of them. Raises
`Retryable` when there is none now."""

PathFailure = StageFailed | StageSilent | StageMisbehaved | PeerUnknown | LinkCongested
"""Another path may hold where one failed so."""
PATH_FAILURES = (StageFailed, StageSilent, StageMisbehaved, PeerUnknown, LinkCongested)

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 30.0
_FULL_SECONDS = 0.25
_LONGEST_FULL_SECONDS = 2.0
_FULL = frozenset({AbortReason.CACHE_FULL, AbortReason.TOO_MANY_RUNS})


def fixed_path(path: Sequence[ShardId]) -> ChoosePath:
    """Always this one, which is then avoided if a shard of it failed: for tests and checks."""
    return lambda _: path


class PathSearch:
    """Of one request."""

    def __init__(self, choose: ChoosePath, ours: ShardId) -> None:
        self.hindrance: TeeTeeError | None = None
        """Why there is no path, or none that held."""
        self._choose = choose
        self._ours = ours
        self._failures: Counter[ShardId] = Counter()
        self._avoided_until: dict[ShardId, float] = {}

    def failed(self, error: PathFailure, now: float) -> None:
        """A path broke. Raises the error where no other path would help: it was our own doing."""
        blamed = blamed_for(error)
        if self._ours in blamed:
            raise error
        self.hindrance = error
        for shard_id in blamed:
            self._avoided_until[shard_id] = now + self._rest(shard_id, error)

    def path(self, now: float) -> tuple[ShardId, ...] | None:
        """None: there is none now; `hindrance` says why, and a shard may come or be back later."""
        avoided = frozenset(each for each, until in self._avoided_until.items() if until > now)
        try:
            path = tuple(self._choose(avoided))
        except Retryable as error:
            self.hindrance = self.hindrance or error
            return None
        return None if avoided.intersection(path) else path

    def _rest(self, shard_id: ShardId, error: PathFailure) -> float:
        if isinstance(error, StageMisbehaved):
            return math.inf
        longer = 1 << min(self._failures[shard_id], 16)
        self._failures[shard_id] += 1
        if is_full(error):
            return min(_FULL_SECONDS * longer, _LONGEST_FULL_SECONDS)
        return min(_FIRST_SECONDS * longer, _LONGEST_SECONDS)


def is_full(error: PathFailure) -> bool:
    """Whether a shard had no room, and nothing else was wrong."""
    return isinstance(error, StageFailed) and error.reason in _FULL


def blamed_for(error: PathFailure) -> frozenset[ShardId]:
    """The shards that an error puts the failure down to."""
    if isinstance(error, StageSilent):
        return frozenset(ShardId(shard_id) for shard_id in error.shard_ids)
    return frozenset({ShardId(error.shard_id)})
