"""Who is still there: a question to each stage of the paths in use, every so often, and what came
back. Pure: times are given, nothing is sent here.

A stage's process answers from the thread that reads its link, so an answer says that the process
runs and the link holds. That it also computes is seen by what comes back of the runs.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from teetee.identifiers import ShardId

_WEIGHT = 0.2
"""Of a new round trip in the running mean."""


@dataclass(slots=True)
class _Pulse:
    asked_at: float
    number: bytes = b""
    silent_since: float | None = None
    """When the oldest question was asked that is not answered yet."""
    told: bool = False
    """Whether its silence was told."""


class Heartbeats:
    """Used by the thread that computes, and no other. Times in s, of one clock."""

    def __init__(self, *, every: float, silent_after: float) -> None:
        self._every = every
        self._silent_after = silent_after
        self._pulses: dict[ShardId, _Pulse] = {}
        self._round_trips: dict[ShardId, float] = {}

    def watch(self, shards: Iterable[ShardId], now: float) -> None:
        """These and no others from now on; a new one is asked at once."""
        wanted = set(shards)
        for gone in self._pulses.keys() - wanted:
            del self._pulses[gone]
        for new in wanted - self._pulses.keys():
            self._pulses[new] = _Pulse(now - self._every)

    def due(self, now: float) -> list[tuple[ShardId, bytes]]:
        """Whom to ask now, with 16 bytes that an answer has to bring back."""
        asked = []
        for shard_id, pulse in self._pulses.items():
            if now - pulse.asked_at >= self._every:
                pulse.asked_at, pulse.number = now, secrets.token_bytes(16)
                if pulse.silent_since is None:
                    pulse.silent_since = now
                asked.append((shard_id, pulse.number))
        return asked

    def heard(self, shard_id: ShardId, number: bytes, now: float) -> None:
        """An answer. One to an older question says as much: somebody is there."""
        pulse = self._pulses.get(shard_id)
        if pulse is None or pulse.silent_since is None:
            return
        if number == pulse.number:
            known = self._round_trips.get(shard_id)
            took = now - pulse.asked_at
            self._round_trips[shard_id] = (
                took if known is None else known + _WEIGHT * (took - known)
            )
        pulse.silent_since, pulse.told = None, False

    def fallen_silent(self, now: float) -> frozenset[ShardId]:
        """Who has not answered for too long, each told once for each silence."""
        silent = [
            shard_id
            for shard_id, pulse in self._pulses.items()
            if pulse.silent_since is not None
            and not pulse.told
            and now - pulse.silent_since > self._silent_after
        ]
        for shard_id in silent:
            self._pulses[shard_id].told = True
        return frozenset(silent)

    def round_trip(self, shard_id: ShardId) -> float | None:
        """The running mean in s; None: never measured."""
        return self._round_trips.get(shard_id)
