# SPDX-License-Identifier: Apache-2.0
"""Whether the stages of running paths live: each is asked a few times a second, and its link layer
answers even while it computes. So it is also asked whether its computing moves.

Silence and standing still are counted in heartbeats, not in seconds, so that an entry which was
itself suspended accuses nobody. `beat` is called by one thread, the rest by any.
"""

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from shard_runtime.engine.entry.measurements import Measurements
from shard_runtime.links.frames import Alive, Heartbeat
from teetee.protocol.identifiers import ShardId

_LONGER = 4
"""How many times as long as its longest step so far a stage's step is believed to take."""


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """After a stage froze, at most (missed + 1) × seconds pass until its runs leave it; after its
    computing hung too, unless its steps are long.
    """

    seconds: float = 0.4
    missed: int = 3
    """So many heartbeats in a row without an answer, and the stage is taken for dead."""
    stuck: int = 25
    """For so many heartbeats at most a stage may answer while its computing stands still and
    something waits."""

    def patience(self, longest: float) -> int:
        """For how many it may, if its longest step took so many seconds; 0: that is unknown.

        A step can be longer than all before it: more rows, longer contexts, a busier machine.
        Whoever was left although it computed is not left for the same step again: it has told of a
        longer one by then.
        """
        if not longest:
            return self.stuck
        # One heartbeat more, because the first answer may have come right before the next one.
        needed = math.ceil(_LONGER * longest / self.seconds) + 1
        return min(self.stuck, max(self.missed, needed))


@dataclass(slots=True)
class _Followed:
    paths: int = 0
    number: int = 0
    unanswered: int = 0
    sent_at: dict[int, float] = field(default_factory=dict)
    turns: int | None = None
    """Of its computing, as told last; None while nothing waits there."""
    heard_at: int = 0
    """Which heartbeat was the newest when that was heard for the first time: what is said to later
    ones is said later, even if answers were held up and come all at once."""
    is_stuck: bool = False


class Heartbeats:
    """Of one entry. `send` may raise nothing; `silent` is told each shard that is taken for dead,
    and again as long as it is, by whichever thread finds out."""

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
            self._judge(followed, alive)
            is_stuck = followed.is_stuck
        self._measurements.heard(alive.shard_id, round_trip, alive.load)
        if is_stuck:
            self._silent(alive.shard_id)

    def _judge(self, followed: _Followed, alive: Alive) -> None:
        """Whether its computing hangs."""
        turns = alive.load.turns if alive.load.waiting else None
        if turns is None or turns != followed.turns:
            followed.turns, followed.heard_at = turns, followed.number
        patience = self._settings.patience(alive.load.longest_microseconds / 1e6)
        followed.is_stuck = alive.number - followed.heard_at >= patience

    def _is_dead(self, followed: _Followed) -> bool:
        return followed.unanswered >= self._settings.missed or followed.is_stuck

    def _ask(self, followed: _Followed, now: float) -> int:
        followed.number += 1
        followed.unanswered += 1
        followed.sent_at[followed.number] = now
        followed.sent_at.pop(followed.number - 2 * self._settings.missed, None)
        return followed.number
