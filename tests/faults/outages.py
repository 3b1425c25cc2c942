# SPDX-License-Identifier: Apache-2.0
"""When which entry could not act, by the faults that were made: only such an entry may lose a part
of its bond, and only if it could not act when its time ran out.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from teetee.protocol.identifiers import RequestId
from tests.faults.misbehaviour import EVERYBODY
from tests.faults.schedule import NODES

STALL_SECONDS = 3.0
"""Blocks take a second."""


@dataclass
class _Outage:
    target: str
    begin: float
    end: float = math.inf


@dataclass(frozen=True, slots=True)
class UndoneEnd:
    """A request that was answered or declined in time, in a block that was then replaced."""

    request_id: RequestId
    fork: int
    """Number of the last block that stayed."""
    retried_at: int
    """Time of the first block that can include the end again, on the chain's clock."""


class Outages:
    """Times are this machine's, Unix seconds; deadlines are the chain's. Thread-safe."""

    def __init__(self) -> None:
        self._down: list[_Outage] = []
        self._bad_nodes: list[_Outage] = []
        self._undone: list[UndoneEnd] = []
        self._samples: list[tuple[float, int]] = []
        self._changed_at = time.time()
        self._lock = threading.Lock()

    def begin(self, target: str) -> None:
        """An enclave, or `chain`, does not act any more; caller@node: that view is bad."""
        with self._lock:
            self._list(target).append(_Outage(target, time.time()))

    def end(self, target: str) -> None:
        """It acts again."""
        with self._lock:
            for outage in self._list(target):
                if outage.target == target and outage.end == math.inf:
                    outage.end = time.time()

    def mark_keys(self, entry: str, are_other: bool) -> None:
        """The registry has its keys, or others."""
        target = _keys_of(entry)
        with self._lock:
            is_marked = any(one.target == target and one.end == math.inf for one in self._down)
        if are_other and not is_marked:
            self.begin(target)
        elif not are_other:
            self.end(target)

    def end_all(self) -> None:
        """All of them act again."""
        with self._lock:
            for outage in (*self._down, *self._bad_nodes):
                outage.end = min(outage.end, time.time())

    def sample(self, chain_time: int) -> None:
        """The newest block's time, now. A chain that made no block for long could not act."""
        now = time.time()
        with self._lock:
            if self._samples and chain_time != self._samples[-1][1]:
                if now - self._changed_at > STALL_SECONDS:
                    self._down.append(_Outage("chain", self._changed_at, now))
                self._changed_at = now
            self._samples.append((now, chain_time))

    def excuses(self, entry: str, deadline: int, margin: int) -> bool:
        """Whether the entry could not act within the margin before this deadline."""
        with self._lock:
            moments = [
                wall
                for wall, chain in self._samples
                if deadline - margin - 1 <= chain <= deadline + 1
            ]
            # Without a sample, no block was made: nothing could be included in it.
            return not moments or any(self._is_down(entry, moment) for moment in moments)

    def undo(self, ends: Iterable[UndoneEnd]) -> None:
        """A reorganisation takes these ends back."""
        with self._lock:
            self._undone += ends

    def has_undone(self, request_id: RequestId, opened_in: int, deadline: int, margin: int) -> bool:
        """Whether this request, opened in that block, had an end in time, and a reorganisation took
        it back when the margin before the deadline had begun: too late for another one.
        """
        with self._lock:
            return any(
                one.request_id == request_id
                and opened_in <= one.fork  # later ones may have got another number
                and one.retried_at >= deadline - margin
                for one in self._undone
            )

    def _list(self, target: str) -> list[_Outage]:
        return self._bad_nodes if "@" in target else self._down

    def _is_down(self, entry: str, moment: float) -> bool:
        down = {one.target for one in self._down if one.begin <= moment <= one.end}
        if down & {entry, _keys_of(entry), "chain"}:
            return True
        bad = set()
        for one in self._bad_nodes:
            caller, _, node = one.target.partition("@")
            if one.begin <= moment <= one.end and caller in (entry, EVERYBODY):
                bad |= set(range(NODES)) if node == EVERYBODY else {int(node)}
        return len(bad) > NODES // 2


def _keys_of(entry: str) -> str:
    return f"keys of {entry}"
