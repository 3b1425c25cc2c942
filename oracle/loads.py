"""What it costs to send a run over a shard: what is under way there, and how far it is. Pure: no
clock, no links.

Only this entry's own runs are counted. Other entries' are not seen; where they slow a stage's
link down, its round trip tells.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from teetee.identifiers import ShardId

RoundTrip = Callable[[ShardId], float | None]
"""To a shard and back, in s; None: never measured."""

STEP_SECONDS = 0.02
"""What a stage may take for a token, beside the way to it: ways that differ by much less than this
count as about equal. Round trips are answered by the thread that reads, so they do not tell it.
"""
_RECENT_RUNS = 32
_TURN = 0.5
"""How many runs it weighs to have had all of the recent ones: replicas about as fast take turns,
and one that is half as slow again is left to rest while there is little to do.
"""


class Loads:
    """Of the shards that this entry uses. Not thread-safe."""

    def __init__(self, round_trip: RoundTrip) -> None:
        self._round_trip = round_trip
        self._under_way: Counter[ShardId] = Counter()
        self._recent: deque[frozenset[ShardId]] = deque(maxlen=_RECENT_RUNS)

    def begin(self, path: Sequence[ShardId]) -> None:
        """A run goes over these from now on."""
        self._under_way.update(path)
        self._recent.append(frozenset(path))

    def end(self, path: Sequence[ShardId]) -> None:
        """It does so no more."""
        self._under_way.subtract(path)
        self._under_way = +self._under_way

    def costs(
        self, shards: Iterable[ShardId], leaving: Sequence[ShardId] = ()
    ) -> dict[ShardId, float]:
        """In s: a token's way and work, for as many runs as there would be with one more. A shard
        that was never measured counts as near: using it is what measures it.

        leaving: the path that this run would leave.
        """
        under_way = self._under_way - Counter(leaving)
        recent = Counter(shard_id for path in self._recent for shard_id in path)
        runs = max(len(self._recent), 1)
        return {
            each: (STEP_SECONDS + (self._round_trip(each) or 0.0))
            * (1 + under_way[each] + _TURN * recent[each] / runs)
            for each in shards
        }
