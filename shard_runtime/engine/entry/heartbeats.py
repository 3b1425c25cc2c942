# SPDX-License-Identifier: Apache-2.0
"""Finds out whether the stages of running paths are alive: each gets a few heartbeats a second, and
its link threads answer even while it computes. The answers also tell whether its computing thread
makes progress.

Timeouts are counted in heartbeats, not in seconds, so that an entry which was itself suspended
suspects no stage. `send_all` is called by one thread, the rest by any.
"""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shard_runtime.engine.entry.shard_performance import ShardPerformance
from shard_runtime.links.frames import Alive, Heartbeat, RunId
from teetee.protocol.identifiers import ShardId

_MAX_TURNS = 64
"""Steps of a busy stage within which each of its runs is served."""
_LONGEST_STEP_FACTOR = 4
"""A step may take this many times as long as the stage's longest one so far."""


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """A stage that froze loses its runs after at most (max_missed + 1) × interval_seconds; so does
    one whose computing hangs, unless its steps are long.
    """

    interval_seconds: float = 0.4
    max_missed: int = 3
    """Consecutive heartbeats without an answer after which a stage counts as dead."""
    max_stuck: int = 25
    """Heartbeats that a stage may answer at most while rows wait and its computing makes no
    progress."""
    max_still: int = 6
    """Heartbeats that all stages may answer while a run's rows are with one of them and do not
    move."""

    @property
    def timeout_seconds(self) -> float:
        """How long a stage may be silent."""
        return self.max_missed * self.interval_seconds

    def max_stuck_for(self, longest_step_seconds: float) -> int:
        """`max_stuck` for a stage with that longest step; 0: it is unknown.

        A step can be longer than all before it: more rows, longer contexts, a busier machine. A
        stage that was abandoned while it computed is not abandoned for the same step again: it has
        reported a longer one by then.
        """
        if not longest_step_seconds:
            return self.max_stuck
        # One heartbeat more, because the first answer may have come right before the next one.
        needed = math.ceil(_LONGEST_STEP_FACTOR * longest_step_seconds / self.interval_seconds) + 1
        return min(self.max_stuck, max(self.max_missed, needed))


@dataclass(slots=True)
class _WatchedShard:
    paths: int = 0
    number: int = 0
    """Of the newest heartbeat."""
    unanswered: int = 0
    sent_at: dict[int, float] = field(default_factory=dict)
    turns: int | None = None
    """Of its computing thread, as last reported; None while no rows wait there."""
    turns_since: int = 0
    """The newest heartbeat when `turns` was first reported: answers to later ones are later, even
    if answers were delayed and arrive together."""
    is_stuck: bool = False


class WatchedRun(Protocol):
    """What a stall is recognized by; any thread may read it."""

    id: RunId
    path: tuple[ShardId, ...]
    positions_sent: int
    positions_received: int

    @property
    def is_awaiting_receipts(self) -> bool:
        """Whether only the stages' receipts are missing."""


@dataclass(slots=True)
class _Position:
    """A run at one stage, by the stage's answers."""

    numbers: tuple[int, int, int, int, bool]
    """Received and sent there, sent and received here, and whether the receipts are awaited."""
    is_listed: bool
    turns: int
    """Of the stage's computing thread, when the numbers were first reported."""
    still: int = 0
    """Answers since then that show a stage with time to do something."""


class StallDetector:
    """Finds the stage that keeps a run's rows although all stages answer heartbeats. Each reports
    what it received and sent; where that does not add up for long enough, one of the two neighbours
    is at fault. Thread-safe.
    """

    def __init__(self, max_still: int) -> None:
        self._max_still = max_still
        self._runs: dict[RunId, WatchedRun] = {}
        self._positions: dict[tuple[RunId, ShardId], _Position] = {}
        self._lock = threading.Lock()

    def watch_run(self, run: WatchedRun) -> None:
        """A run begins."""
        with self._lock:
            self._runs[run.id] = run

    def unwatch_run(self, run: WatchedRun) -> None:
        """A run ended."""
        with self._lock:
            self._runs.pop(run.id, None)
            for shard_id in run.path:
                self._positions.pop((run.id, shard_id), None)

    def record(self, alive: Alive) -> None:
        """Record an answer."""
        listed = {each.run: (each.received, each.sent) for each in alive.runs}
        with self._lock:
            for run in self._runs.values():
                if alive.shard_id in run.path:
                    self._record(run, alive, listed.get(run.id))

    def find_stalled(self, run: WatchedRun) -> tuple[ShardId, ...]:
        """The stage that keeps the run's rows, or both neighbours of a link that lost them; empty
        if all moves, or a stage is merely busy.
        """
        with self._lock:
            found = [(each, self._positions.get((run.id, each))) for each in run.path[1:]]
        positions = [(each, position) for each, position in found if position is not None]
        if len(positions) < len(found) or not positions:
            return ()
        suspects = _suspects(run, positions)
        is_still = all(position.still >= self._max_still for _, position in suspects)
        return tuple(each for each, _ in suspects) if is_still else ()

    def _record(self, run: WatchedRun, alive: Alive, there: tuple[int, int] | None) -> None:
        here = (run.positions_sent, run.positions_received, run.is_awaiting_receipts)
        numbers = (*(there or (0, 0)), *here)
        key, load = (run.id, alive.shard_id), alive.load
        position = self._positions.get(key)
        if position is None or (position.numbers, position.is_listed) != (numbers, bool(there)):
            self._positions[key] = _Position(numbers, bool(there), load.turns)
        elif not load.waiting or (load.turns - position.turns) % 2**32 > _MAX_TURNS:
            position.still += 1


def _suspects(
    run: WatchedRun, positions: Sequence[tuple[ShardId, _Position]]
) -> list[tuple[ShardId, _Position]]:
    """The stages between which the rows, or the receipts, stopped."""
    expected = run.positions_sent
    for number, (_, position) in enumerate(positions):
        received, sent = position.numbers[:2]
        before = list(positions[max(0, number - 1) : number])
        if run.is_awaiting_receipts:
            if position.is_listed:
                return [*before, positions[number]]
            continue
        if received < expected:
            return [*before, positions[number]]
        if sent < received:
            return [positions[number]]
        expected = sent
    is_missing = run.is_awaiting_receipts or run.positions_received < expected
    return [positions[-1]] if is_missing else []


class HeartbeatMonitor:
    """Of one entry. `send` must not raise. `on_timeout` is called with each shard that counts as
    dead, and again while it does, by whichever thread finds out.
    """

    def __init__(
        self,
        *,
        self_id: ShardId,
        settings: HeartbeatSettings,
        send: Callable[[ShardId, Heartbeat], None],
        on_timeout: Callable[[ShardId], None],
        performance: ShardPerformance,
        clock: Callable[[], float],
    ) -> None:
        self._self_id = self_id
        self._settings = settings
        self._send = send
        self._on_timeout = on_timeout
        self._performance = performance
        self._clock = clock
        self.stalls = StallDetector(settings.max_still)
        self._watched: dict[ShardId, _WatchedShard] = {}
        self._lock = threading.Lock()

    def watch_path(self, shards: Iterable[ShardId]) -> None:
        """A run over these shards begins."""
        with self._lock:
            for shard_id in shards:
                watched = self._watched.setdefault(shard_id, _WatchedShard())
                watched.paths += 1

    def unwatch_path(self, shards: Iterable[ShardId]) -> None:
        """A run over these shards ended."""
        with self._lock:
            for shard_id in shards:
                self._watched[shard_id].paths -= 1
                if not self._watched[shard_id].paths:
                    del self._watched[shard_id]

    def send_all(self) -> None:
        """Send a heartbeat to every watched shard, and report the dead ones."""
        now = self._clock()
        with self._lock:
            dead = [each for each, watched in self._watched.items() if self._is_dead(watched)]
            sent = [(each, self._count_sent(state, now)) for each, state in self._watched.items()]
        for shard_id in dead:
            self._on_timeout(shard_id)
        for shard_id, number in sent:
            self._send(shard_id, Heartbeat(number, self._self_id))

    def record_reply(self, alive: Alive) -> None:
        """Record an answer. The caller has checked that the shard that it names sent it."""
        now = self._clock()
        with self._lock:
            watched = self._watched.get(alive.shard_id)
            if watched is None or alive.number not in watched.sent_at:
                return
            round_trip = now - watched.sent_at[alive.number]
            watched.unanswered = watched.number - alive.number
            watched.sent_at = {
                number: at for number, at in watched.sent_at.items() if number > alive.number
            }
            self._update_progress(watched, alive)
            is_stuck = watched.is_stuck
        self.stalls.record(alive)
        self._performance.record_reply(alive.shard_id, round_trip, alive.load)
        if is_stuck:
            self._on_timeout(alive.shard_id)

    def _update_progress(self, watched: _WatchedShard, alive: Alive) -> None:
        """Find out whether its computing hangs."""
        turns = alive.load.turns if alive.load.waiting else None
        if turns is None or turns != watched.turns:
            watched.turns, watched.turns_since = turns, watched.number
        max_stuck = self._settings.max_stuck_for(alive.load.longest_microseconds / 1e6)
        watched.is_stuck = alive.number - watched.turns_since >= max_stuck

    def _is_dead(self, watched: _WatchedShard) -> bool:
        return watched.unanswered >= self._settings.max_missed or watched.is_stuck

    def _count_sent(self, watched: _WatchedShard, now: float) -> int:
        watched.number += 1
        watched.unanswered += 1
        watched.sent_at[watched.number] = now
        watched.sent_at.pop(watched.number - 2 * self._settings.max_missed, None)
        return watched.number
