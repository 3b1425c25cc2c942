"""Another path when a stage was lost: which shards to leave out, for how long, and whether the same
answer may go on elsewhere at all.
"""

import math
import time
from collections.abc import Callable, Sequence

from shard_runtime.errors import (
    PathInvalid,
    PeerUnknown,
    StageFailed,
    StageMisbehaved,
    StageSilent,
)
from teetee.errors import PathError, Retryable, TeeTeeError
from teetee.identifiers import ShardId

PathChooser = Callable[[frozenset[ShardId]], Sequence[ShardId]]
"""A path without these shards, our own first. Raises `Retryable`, `PathError` or `PathInvalid` when
there is none."""

REST_SECONDS = 5.0
"""A shard that failed may be tried again after this long; one that broke the protocol never."""
_LOOK_SECONDS = 0.1


def fixed_path(path: Sequence[ShardId]) -> PathChooser:
    """Always this one, as long as nobody of it is to be left out."""

    def choose(avoiding: frozenset[ShardId]) -> Sequence[ShardId]:
        if avoiding & frozenset(path):
            raise PathInvalid(f"leads over shard {min(avoiding & frozenset(path))}, which failed")
        return path

    return choose


class Failover:
    """Of one answer."""

    def __init__(self, paths: PathChooser, ours: ShardId) -> None:
        self._paths = paths
        self._ours = ours
        self._resting: dict[ShardId, float] = {}

    def choose(self, also_avoiding: frozenset[ShardId] = frozenset()) -> tuple[ShardId, ...]:
        """A path for now. Raises what the chooser raises."""
        now = time.monotonic()
        resting = {shard_id for shard_id, until in self._resting.items() if until > now}
        return tuple(self._paths(frozenset(resting) | also_avoiding))

    def take(self, error: TeeTeeError) -> frozenset[ShardId]:
        """To whom a failure is put down; they rest. Raises the error itself where another path
        could not help.
        """
        if not isinstance(error, (StageFailed, StageSilent, StageMisbehaved, PeerUnknown)):
            raise error
        found = error.shard_ids if isinstance(error, StageSilent) else [error.shard_id]
        shards = frozenset(ShardId(each) for each in found)
        if self._ours in shards:
            raise error
        rest = math.inf if isinstance(error, StageMisbehaved) else REST_SECONDS
        self.rest(shards, rest)
        return shards

    def rest(self, shards: frozenset[ShardId], seconds: float = REST_SECONDS) -> None:
        """Leave these out for so long."""
        until = time.monotonic() + seconds
        self._resting |= {each: max(until, self._resting.get(each, until)) for each in shards}

    def await_path(
        self, failure: TeeTeeError, until: float, given_up: Callable[[], bool]
    ) -> tuple[ShardId, ...]:
        """Until there is another path. Raises the failure when `until` (`time.monotonic`) comes
        first, or nobody waits any more.
        """
        while True:
            try:
                return self.choose()
            except (Retryable, PathError, PathInvalid):
                if time.monotonic() >= until or given_up():
                    raise failure from None
            time.sleep(_LOOK_SECONDS)
