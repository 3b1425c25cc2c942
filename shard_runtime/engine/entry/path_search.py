# SPDX-License-Identifier: Apache-2.0
"""Chooses a request's next path, and the shards to avoid for a while.

A shard that failed is avoided for a second at first, then for twice as long each time; one that
broke the protocol, for good; one that had no room, for a quarter of that, and never long. The
caller chooses among the others.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
from teetee.protocol.path import ShardPair

ChoosePath = Callable[[frozenset[ShardId]], Sequence[ShardId]]
"""(shards to avoid) → a path that begins with the entry's own shard and has none of them. Raises
`Retryable` if there is none now."""

PathFailure = StageFailed | StageSilent | StageMisbehaved | PeerUnknown | LinkCongested
"""After these, the request may succeed on another path."""
PATH_FAILURES = (StageFailed, StageSilent, StageMisbehaved, PeerUnknown, LinkCongested)

_FIRST_SECONDS = 1.0
_MAX_SECONDS = 30.0
_FIRST_FULL_SECONDS = 0.25
_MAX_FULL_SECONDS = 2.0
_MAX_DOUBLINGS = 16
_FULL = frozenset({AbortReason.CACHE_FULL, AbortReason.TOO_MANY_RUNS})


def fixed_path(path: Sequence[ShardId]) -> ChoosePath:
    """Always this path, for tests and checks. It is avoided after a shard of it failed."""
    return lambda _: path


class PathSearch:
    """For one request."""

    def __init__(self, choose: ChoosePath, self_id: ShardId) -> None:
        self.last_failure: TeeTeeError | None = None
        """Why there is no path, or why the last one broke."""
        self._choose = choose
        self._self_id = self_id
        self._failures: Counter[ShardId] = Counter()
        self._avoided_until: dict[ShardId, float] = {}

    def record_failure(self, error: PathFailure, now: float) -> None:
        """A path broke. Raises the error if no other path would help because the entry failed."""
        blamed = blamed_for(error)
        if self._self_id in blamed:
            raise error
        self.last_failure = error
        for shard_id in blamed:
            self._avoided_until[shard_id] = now + self._avoided_seconds(shard_id, error)

    def next_path(self, now: float) -> tuple[ShardId, ...] | None:
        """None if there is none now: `last_failure` says why, and there may be one later."""
        avoided = frozenset(each for each, until in self._avoided_until.items() if until > now)
        try:
            path = tuple(self._choose(avoided))
        except Retryable as error:
            self.last_failure = self.last_failure or error
            return None
        return None if avoided.intersection(path) else path

    def _avoided_seconds(self, shard_id: ShardId, error: PathFailure) -> float:
        if isinstance(error, StageMisbehaved):
            return math.inf
        factor = 1 << min(self._failures[shard_id], _MAX_DOUBLINGS)
        self._failures[shard_id] += 1
        if is_full(error):
            return min(_FIRST_FULL_SECONDS * factor, _MAX_FULL_SECONDS)
        return min(_FIRST_SECONDS * factor, _MAX_SECONDS)


def is_full(error: PathFailure) -> bool:
    """Whether a shard had no room, and nothing else was wrong."""
    return isinstance(error, StageFailed) and error.reason in _FULL


def blamed_for(error: PathFailure) -> frozenset[ShardId]:
    """The shards that the same request avoids after a failure."""
    if isinstance(error, StageSilent):
        return frozenset(ShardId(shard_id) for shard_id in error.shard_ids)
    reporter = _reporter_of(error)
    # A stage that accuses the entry itself, which every path begins with: another may work.
    is_of_entry = isinstance(error, StageFailed | StageMisbehaved) and error.hop == 0
    if is_of_entry and reporter is not None:
        return frozenset({reporter})
    return frozenset({ShardId(error.shard_id)})


@dataclass(frozen=True, slots=True)
class Suspects:
    """What other requests should rather avoid after a failure."""

    shards: frozenset[ShardId] = frozenset()
    pairs: frozenset[ShardPair] = frozenset()
    """Two shards of which either may be at fault: a host can cut its own links, and a stage can
    accuse another. Each stays usable without the other."""


def suspects_of(error: PathFailure) -> Suspects:
    """A shard is suspect alone if the entry itself saw it fail, or it says so itself."""
    blamed = blamed_for(error)
    if isinstance(error, StageSilent) and len(error.shard_ids) > 1:
        shards = [ShardId(shard_id) for shard_id in error.shard_ids]
        return Suspects(pairs=frozenset(frozenset(each) for each in pairwise(shards)))
    reporter = _reporter_of(error)
    if reporter is None or reporter in blamed:
        return Suspects(shards=blamed)
    return Suspects(pairs=frozenset({blamed | {reporter}}))


def _reporter_of(error: PathFailure) -> ShardId | None:
    reporter = error.reporter if isinstance(error, StageFailed | StageMisbehaved) else None
    return None if reporter is None else ShardId(reporter)
