# SPDX-License-Identifier: Apache-2.0
"""One question to several nodes at the same time.

Each call has a thread of its own, so that a node that is silent, slow or endless delays no other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from teetee.chain.nodes.node import Node
from teetee.chain.nodes.node_failures import FailureKind, NodeFailure
from teetee.chain.nodes.node_states import NodeStates
from teetee.chain.nodes.votes import Tally, Value, Vote, vote_of

MAX_CALLS_PER_NODE: Final = 16
"""At the same time. A node that lets them all wait is not asked more."""
_CROWDED: Final = NodeFailure("it still owes too many answers", FailureKind.LOST)
_GRACE_SECONDS: Final = 1.0
"""How long the remaining nodes have once enough have named their heads."""

OnVote = Callable[[str, Vote], None]


class Pool:
    """The nodes, and how many calls each owes an answer."""

    def __init__(self, nodes: Sequence[Node], states: NodeStates, timeout_seconds: float) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.states = states
        self.timeout_seconds = timeout_seconds
        self._places = {name: threading.Semaphore(MAX_CALLS_PER_NODE) for name in self.nodes}

    def start(self, name: str, method: str, parameters: Any, on_vote: OnVote) -> None:
        """Asks one node in the background."""
        if not self._places[name].acquire(blocking=False):
            on_vote(name, _CROWDED)
            return

        def ask() -> None:
            try:
                answer = self.nodes[name].ask(method, parameters)
            except Exception as error:  # noqa: BLE001 - a thread without a vote would be waited for
                answer = NodeFailure(type(error).__name__, FailureKind.OTHER)
            finally:
                self._places[name].release()
            has_failed = isinstance(answer, NodeFailure)
            (self.states.on_failure if has_failed else self.states.on_answer)(name)
            on_vote(name, vote_of(method, answer))

        threading.Thread(target=ask, name="rpc", daemon=True).start()


class Round:
    """Collects the votes on one question."""

    def __init__(
        self,
        pool: Pool,
        names: Sequence[str],
        question: tuple[str, Any],
        *,
        needed: int,
        known: Mapping[str, Vote] | None = None,
    ) -> None:
        """`known`: votes that need no call."""
        self._pool = pool
        self._names = names
        self._needed = needed
        self._votes: dict[str, Vote] = dict(known or {})
        self._count = len(names) + len(self._votes)
        self._changed = threading.Condition()
        self._late: OnVote | None = None
        for name in names:
            pool.start(name, *question, self._on_vote)

    def tally(self) -> Tally:
        """The votes so far."""
        with self._changed:
            return Tally(dict(self._votes), self._needed)

    def wait_for_agreement(self) -> Tally:
        """Waits until enough nodes agree, all have answered, or the time is over. If enough say
        that there is no value, the others have a moment to give one.
        """
        tally = self._wait(lambda tally: tally.agreed() is not None)
        if not tally.is_without_value:
            return tally
        return self._completed(self._wait(self._has_all_healthy, seconds=_GRACE_SECONDS))

    def wait_for_first_value(self) -> Tally:
        """Waits until one node gives a value, all have answered, or the time is over."""
        return self._wait(
            lambda tally: any(isinstance(vote, Value) for vote in tally.votes.values())
        )

    def wait_for_most(self) -> Tally:
        """Waits for all; once enough have given a value, a moment only, and not for nodes whose
        last call failed.
        """
        self._wait(self._has_enough)
        return self._completed(self._wait(self._has_all_healthy, seconds=_GRACE_SECONDS))

    def wait_for_healthy(self) -> Tally:
        """Waits for all but those whose last call failed, as long as a call may take."""
        return self._wait(self._has_all_healthy)

    def on_late_votes(self, listener: OnVote) -> None:
        """Pass on votes that arrive from now on."""
        with self._changed:
            self._late = listener

    def _has_enough(self, tally: Tally) -> bool:
        values = sum(isinstance(vote, Value) for vote in tally.votes.values())
        return values >= self._needed

    def _has_all_healthy(self, tally: Tally) -> bool:
        missing = set(self._names) - tally.votes.keys()
        return all(self._pool.states.is_failing(name) for name in missing)

    def _wait(self, is_enough: Callable[[Tally], bool], seconds: float | None = None) -> Tally:
        limit = self._pool.timeout_seconds if seconds is None else seconds
        end = time.monotonic() + limit
        with self._changed:
            while True:
                tally = Tally(dict(self._votes), self._needed)
                left = end - time.monotonic()
                if len(self._votes) == self._count or is_enough(tally) or left <= 0:
                    return self._completed(tally) if left <= 0 and seconds is None else tally
                self._changed.wait(left)

    def _completed(self, tally: Tally) -> Tally:
        """With a failure for each node that has not answered in time."""
        silent = NodeFailure("no answer in time", FailureKind.LOST)
        missing = {name: silent for name in self._names if name not in tally.votes}
        return Tally({**missing, **tally.votes}, self._needed)

    def _on_vote(self, name: str, vote: Vote) -> None:
        with self._changed:
            self._votes[name] = vote
            late = self._late
            self._changed.notify_all()
        if late is not None:
            late(name, vote)
