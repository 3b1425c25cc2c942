"""Whether the stages of running paths live: each is asked a few times a second, and its link layer
answers even while it computes.

Silence is counted in heartbeats, not in seconds, so that an entry which was itself suspended
accuses nobody. `beat` is called by one thread, the rest by any.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from shard_runtime.frames import Alive, Heartbeat, Load
from shard_runtime.measurements import Measurements
from teetee.identifiers import ShardId


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """After a stage froze, at most (missed + 1) × seconds pass until its runs leave it."""

    seconds: float = 0.4
    missed: int = 3
    """So many heartbeats in a row without an answer, and the stage is taken for dead."""
    stuck: int = 25
    """A stage that answers so many heartbeats in a row while its computing stands still and
    something waits is taken for dead too. Longer than any step."""


@dataclass(slots=True)
class _Followed:
    paths: int = 0
    number: int = 0
    unanswered: int = 0
    sent_at: dict[int, float] = field(default_factory=dict)
    load: Load = field(default_factory=Load)
    still: int = 0
    """Answers in a row in which nothing had moved."""


class Heartbeats:
    """Of one entry. `send` may raise nothing; `silent` is told each shard that is taken for dead,
    and again as long as it is."""

    def __init__(
        self,
        *,
        ours: ShardId,
        settings: HeartbeatSettings,
        send: Callable[[ShardId, Heartbeat], None],
        silent: Callable[[ShardId], None],
        measurements: Measurements,
        clock: Callable[[], float],
    ) -> None:
        self._ours = ours
        self._settings = settings
        self._send = send
        self._silent = silent
        self._measurements = measurements
        self._clock = clock
        self._followed: dict[ShardId, _Followed] = {}
        self._lock = threading.Lock()

    def follow(self, shards: Iterable[ShardId]) -> None:
        """A path over these begins."""
        with self._lock:
            for shard_id in shards:
                followed = self._followed.setdefault(shard_id, _Followed())
                followed.paths += 1

    def leave(self, shards: Iterable[ShardId]) -> None:
        """It has ended."""
        with self._lock:
            for shard_id in shards:
                self._followed[shard_id].paths -= 1
                if not self._followed[shard_id].paths:
                    del self._followed[shard_id]

    def beat(self) -> None:
        """Ask everyone, and tell who did not answer the last times."""
        now = self._clock()
        with self._lock:
            dead = [each for each, state in self._followed.items() if self._is_dead(state)]
            asked = [(each, self._ask(state, now)) for each, state in self._followed.items()]
        for shard_id in dead:
            self._silent(shard_id)
        for shard_id, number in asked:
            self._send(shard_id, Heartbeat(number, self._ours))

    def answered(self, alive: Alive) -> None:
        """An answer came, from the shard that it names: the caller has seen to that."""
        now = self._clock()
        with self._lock:
            followed = self._followed.get(alive.shard_id)
            if followed is None or alive.number not in followed.sent_at:
                return
            round_trip = now - followed.sent_at[alive.number]
            followed.unanswered = followed.number - alive.number
            followed.sent_at = {
                number: at for number, at in followed.sent_at.items() if number > alive.number
            }
            is_still = alive.load.waiting and alive.load.turns == followed.load.turns
            followed.still = followed.still + 1 if is_still else 0
            followed.load = alive.load
        self._measurements.heard(alive.shard_id, round_trip, alive.load)

    def _is_dead(self, followed: _Followed) -> bool:
        return (
            followed.unanswered >= self._settings.missed or followed.still >= self._settings.stuck
        )

    def _ask(self, followed: _Followed, now: float) -> int:
        followed.number += 1
        followed.unanswered += 1
        followed.sent_at[followed.number] = now
        followed.sent_at.pop(followed.number - 2 * self._settings.missed, None)
        return followed.number
