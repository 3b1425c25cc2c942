# SPDX-License-Identifier: Apache-2.0
"""The threads that compute answers: as many as requests run at once. Requests that wait have none.

An answer is in the journal before anyone else sees it.
"""

import math
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from oracle.chain.heads import Heads
from oracle.errors import HeadIsStale, Stopped
from oracle.records import Answered, Opening, Outcome
from oracle.request.journal import Journal

WAIT_SECONDS = 0.2


class Answerer(Protocol):
    """Opens envelopes, runs the path and seals the answer; only it handles plaintext."""

    def screen(self, opening: Opening) -> Outcome | None:
        """The refusal of an envelope that does not open, or holds no prompt; None: it does. Raises
        `NoPermittedPath` if the shards that its requester permits give no path now.
        """

    def answer(
        self,
        opening: Opening,
        *,
        give_up: Callable[[], bool],
        seconds_left: Callable[[], float],
    ) -> Outcome:
        """A sealed answer, or a refusal for a fault of the request itself. Shortly before no
        seconds are left, it ends with what there is.

        Raises `Retryable` if another path or a later attempt may succeed, and `Stopped`.
        """


@dataclass(frozen=True, slots=True, eq=False)
class AnswerTask:
    """One attempt to answer a request."""

    opening: Opening
    give_up_at: int
    """Chain time, Unix seconds."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the request has ended: computing and streaming stop at once."""


Done = Callable[[AnswerTask, Outcome | Exception | None], None]
"""Gets the result of each task; None: the process stops."""


class AnswerPool:
    """`slots` loops call `run_once`."""

    def __init__(
        self, *, answerer: Answerer, journal: Journal, heads: Heads, slots: int, done: Done
    ) -> None:
        self.slots = slots
        self._answerer = answerer
        self._journal = journal
        self._heads = heads
        self._done = done
        self._tasks: queue.SimpleQueue[AnswerTask] = queue.SimpleQueue()

    def submit(self, task: AnswerTask) -> None:
        """The dispatcher submits no more tasks than there are slots."""
        self._tasks.put(task)

    def run_once(self) -> None:
        """Answers one request, if there is one within a moment."""
        try:
            task = self._tasks.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            return
        self._done(task, self._answer(task))

    def _answer(self, task: AnswerTask) -> Outcome | Exception | None:
        try:
            outcome = self._answerer.answer(
                task.opening,
                give_up=lambda: self._is_over(task),
                seconds_left=lambda: self._seconds_left(task),
            )
            if isinstance(outcome, Answered):
                self._journal.save(task.opening, outcome)
        except Stopped:
            return None
        except Exception as error:  # noqa: BLE001 - the dispatcher tries again
            return error
        return outcome

    def _seconds_left(self, task: AnswerTask) -> float:
        """Until `give_up_at`. A block may be due at any moment, so its age counts."""
        try:
            now = self._heads.current().timestamp + self._heads.age()
        except HeadIsStale:
            return math.inf
        return task.give_up_at - now

    def _is_over(self, task: AnswerTask) -> bool:
        """Whether the request has ended or its time is over. While the chain is unreadable, its
        time stands still.
        """
        try:
            now = self._heads.current().timestamp
        except HeadIsStale:
            now = 0
        return task.cancelled.is_set() or now >= task.give_up_at
