# SPDX-License-Identifier: Apache-2.0
"""Takes every open request of this entry to its end: answered, declined early, or handed on.

One thread decides; others fetch, compute and send, and hand their results back. Each look at the
chain shows which requests are open, so a request is never waited for in a thread of its own, and
nothing that a process forgets is lost. Two limits apply, both settings:

1. `TEETEE_REQUESTS_AT_ONCE` requests are computed at the same time.
2. `TEETEE_REQUESTS_HELD` requests have a place: they wait or are computed. An envelope that does
   not open, and a request that is refused, has none.

Requesters take turns, in places as in slots: see `fair_ranks`. A request that finds no place before
its turn, that must give its place to one whose turn comes earlier, or whose turn comes too late
(queue length times measured run time), is declined as overloaded at once, or left to its other
recipients if it has some, until `DeclinePace` says that no more time may pass. A request whose
requester permits only shards that give no path has no place, and is declined after a short grace.

Behind these limits the runtime counts nothing: a run waits in FIFO order until its worst-case KV
cache fits into `TEETEE_CACHE_BYTES`, and then the scheduler shares each step among the runs.
"""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.errors import EtherIsShort
from oracle.inference.errors import NoPath, NoPermittedPath
from oracle.records import Answered, Outcome
from oracle.request.answer_pool import AnswerPool, AnswerTask
from oracle.request.decision import Decline, Refund, Settle, Step, Timing, Work, decide
from oracle.request.decline_pace import DeclinePace
from oracle.request.endings import (
    AnswerEnding,
    DeclineEnding,
    Ending,
    Endings,
    RefundEnding,
    RequestReplaced,
)
from oracle.request.intake import Intake, Received
from oracle.request.queueing import RunTime, fair_ranks, find_hopeless, share_places
from oracle.request.request_work import Progress, RequestWork
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.errors import Retryable
from teetee.protocol.identifiers import RequestId, ShardId

WAIT_SECONDS = 0.2
LOOKS_AFTER_POSTING = 3
"""The node that is asked may lag behind the one that confirmed a transaction."""
LOOKS_AFTER_HANDING_ON = 10
"""A request that is left to others is considered again after so many looks."""
LOOKS_AFTER_NO_PATH = 3
PATHLESS_SECONDS = 15.0
"""For so long, a request waits for a path over the shards that its requester permits."""


@dataclass(frozen=True, slots=True)
class Look:
    """This shard's requests at one block: all open ones, and those that were open before."""

    at: Block
    requests: Mapping[RequestId, Request]
    confirmed_time: int
    """Requests opened later than this (Unix seconds) do not have enough confirmations yet."""


class Observer(Protocol):
    """Learns what an operator may know. Called by the dispatcher's thread."""

    def on_started(self, waited_seconds: float) -> None:
        """A request has a slot, after so long in the queue."""

    def on_ended(self, status: RequestStatus) -> None:
        """A request is open no more; NONE: a reorganisation took it away."""


class _NoObserver:
    def on_started(self, waited_seconds: float) -> None: ...
    def on_ended(self, status: RequestStatus) -> None: ...


class Dispatcher:
    """One loop calls `run_once`. Any thread calls `on_look`, `on_received`, `on_result` and
    `on_posted`.
    """

    def __init__(
        self,
        *,
        shard_id: ShardId,
        timing: Timing,
        places: int,
        stop: threading.Event,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
        observer: Observer | None = None,
    ) -> None:
        """Call `connect` before anything else. Once `stop` is set, nothing new is computed. `clock`
        is monotonic, in s.
        """
        self._shard_id = shard_id
        self._timing = timing
        self._places = places
        self._stop = stop
        self._clock = clock
        self._log = log
        self._observer = observer or _NoObserver()
        self._progress: Counter[Progress] = Counter()
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._works: dict[RequestId, RequestWork] = {}
        self._running: dict[AnswerTask, float] = {}
        self._run_time = RunTime()
        self._pace = DeclinePace(clock)
        self._look: Look | None = None
        self._looks = 0
        self._settled = threading.Condition()
        self._busy = 0

    def connect(self, *, intake: Intake, pool: AnswerPool, endings: Endings) -> None:
        """What does the work. They hand their results back, so they are made after it."""
        self._intake, self._pool, self._endings = intake, pool, endings

    def on_look(self, look: Look) -> None:
        """The chain was read."""
        self._inbox.put(partial(self._take_look, look))

    def on_received(self, request_id: RequestId, received: Received | None) -> None:
        """An envelope was fetched, or could not be."""
        self._inbox.put(partial(self._take_received, request_id, received))

    def on_result(self, task: AnswerTask, result: Outcome | Exception | None) -> None:
        """A run has ended."""
        self._inbox.put(partial(self._take_result, task, result))

    def on_posted(self, ending: Ending, result: str | Exception) -> None:
        """An ending was sent, or could not be."""
        self._inbox.put(partial(self._take_posted, ending, result))

    def run_once(self) -> None:
        """Waits a moment for news, and takes every step that is due."""
        try:
            self._inbox.get(timeout=WAIT_SECONDS)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            pass
        if self._look is not None:
            self._advance(self._look)
        self._progress = Counter(work.progress for work in self._works.values())
        with self._settled:
            posting = self._progress[Progress.POSTING]
            self._busy = len(self._running) + posting + self._inbox.qsize()
            self._settled.notify_all()

    def wait_until_idle(self, seconds: float) -> bool:
        """Waits at most `seconds`. Returns whether nothing is being computed or posted."""
        with self._settled:
            return self._settled.wait_for(lambda: not self._busy, timeout=seconds)

    def count_by_progress(self) -> Counter[Progress]:
        """The open requests, by how far the work on them is. For any thread."""
        return self._progress

    # -- news ----------------------------------------------------------------------------------

    def _take_look(self, look: Look) -> None:
        self._look = look
        self._looks += 1
        for work in list(self._works.values()):
            self._compare(work, look.requests.get(work.request_id))
        for request_id, request in look.requests.items():
            if request.status is RequestStatus.OPEN and request_id not in self._works:
                self._works[request_id] = RequestWork(request, seen_at=look.at.number)

    def _compare(self, work: RequestWork, present: Request | None) -> None:
        """Drops a request that ended, or whose number a reorganisation gave to another one."""
        status = RequestStatus.NONE
        if present is not None and work.is_same(present):
            status = present.status
        if status is RequestStatus.OPEN:
            return
        if work.task is not None:
            work.task.cancelled.set()
        self._drop(work)
        self._observer.on_ended(status)
        self._log.info("request ended", request_id=int(work.request_id), state=status.name.lower())

    def _drop(self, work: RequestWork) -> None:
        del self._works[work.request_id]
        self._pace.forget(work.request_id)

    def _take_received(self, request_id: RequestId, received: Received | None) -> None:
        work = self._works.get(request_id)
        if work is None or work.progress is not Progress.RECEIVING:
            return
        if received is None or not received.opening.is_of(work.request):
            work.start_over(not_before=self._looks + 1)
            return
        work.opening, work.received_at = received.opening, self._clock()
        work.take_outcome(received.outcome)
        work.is_restored = work.answered is not None
        if received.is_pathless:
            self._note_pathless(work)
        work.start_over(not_before=0)

    def _take_result(self, task: AnswerTask, result: Outcome | Exception | None) -> None:
        seconds = self._clock() - self._running.pop(task)
        if isinstance(result, Answered):
            self._run_time.record(seconds)
        work = self._works.get(task.opening.request_id)
        if work is None or work.task is not task or work.progress is not Progress.RUNNING:
            return  # it has ended meanwhile
        if isinstance(result, Exception):
            self._take_failure(work, result)
            return
        work.take_outcome(result)
        work.start_over(not_before=0 if result is not None else self._looks + 1)

    def _take_failure(self, work: RequestWork, error: Exception) -> None:
        self._warn("no answer yet", work, error=error)
        if isinstance(error, NoPath):
            work.last_failure = DeclineReason.NO_PATH
        if not isinstance(error, NoPermittedPath):
            work.start_over(not_before=self._looks + 1)
            return
        self._note_pathless(work)
        work.start_over(not_before=self._looks + LOOKS_AFTER_NO_PATH)

    def _note_pathless(self, work: RequestWork) -> None:
        work.last_failure = DeclineReason.NO_PATH
        if work.pathless_since is None:
            work.pathless_since = self._clock()
        pathless = [one for one in self._works.values() if one.pathless_since is not None]
        # Each keeps an envelope in memory.
        if sum(one.opening is not None for one in pathless) > self._places:
            work.refuse(DeclineReason.NO_PATH)

    def _take_posted(self, ending: Ending, result: str | Exception) -> None:
        work = self._works.get(ending.request_id)
        if work is None or work.progress is not Progress.POSTING:
            return
        if isinstance(result, str):
            self._pace.on_confirmed(work.request_id)
            work.progress, work.not_before = Progress.POSTED, self._looks + LOOKS_AFTER_POSTING
            return
        self._warn("request cannot be ended yet", work, error=result)
        if isinstance(result, RequestReplaced):
            self._drop(work)
            return
        # Whatever does not pass by itself: an answer of the journal may be anything.
        work.rejected = isinstance(ending, AnswerEnding) and not isinstance(result, Retryable)
        if work.rejected and work.is_restored:
            # The journal's answer may be forged: that costs one more run.
            work.answered, work.is_restored, work.rejected = None, False, False
        work.start_over(not_before=self._looks + 1)

    # -- steps ---------------------------------------------------------------------------------

    def _advance(self, look: Look) -> None:
        now = look.at.timestamp
        last_calls = self._last_calls(now)
        steps: dict[RequestId, Step] = {}
        for work in self._works.values():
            if work.request.opened_at > look.confirmed_time or self._looks < work.not_before:
                continue
            self._refuse_if_pathless(work)
            facts = work.facts(now, self._shard_id, last_calls.get(work.request_id))
            steps[work.request_id] = decide(work.request, facts, self._timing)
        overdue = {number for number, at in last_calls.items() if at <= now}
        due = self._in_turn(number for number, step in steps.items() if isinstance(step, Work))
        for work in self._turn_away_hopeless(due, overdue, now):
            self._continue(work)
        for request_id, step in steps.items():
            work = self._works[request_id]
            if not isinstance(step, Work) and work.progress is not Progress.POSTING:
                self._take_step(work, step)

    def _last_calls(self, now: int) -> dict[RequestId, int]:
        """When this shard must decline, if it is to decline, what its bond answers for."""
        requests = (
            work.due()
            for work in self._works.values()
            if work.is_primary(self._shard_id)
            and work.answered is None
            and work.progress is not Progress.POSTED
        )
        return self._pace.last_calls(requests, self._timing, now)

    def _refuse_if_pathless(self, work: RequestWork) -> None:
        since = work.pathless_since
        if since is not None and not work.is_busy and self._clock() - since >= PATHLESS_SECONDS:
            work.refuse(DeclineReason.NO_PATH)

    def _in_turn(self, due: Iterable[RequestId]) -> list[RequestWork]:
        """Those that no other thread has, in the order in which they are served; last, those that
        found no path.
        """
        works = [self._works[number] for number in sorted(due)]
        waiting = [work for work in works if not work.is_busy]
        ranks = fair_ranks(
            [(work.request_id, work.request.requester) for work in waiting],
            [task.opening.request.requester for task in self._running],
        )
        return sorted(
            waiting,
            key=lambda work: (
                work.pathless_since is not None,
                ranks[work.request_id],
                work.request_id,
            ),
        )

    def _turn_away_hopeless(
        self, due: Sequence[RequestWork], overdue: Set[RequestId], now: int
    ) -> list[RequestWork]:
        """Turns away requests that find no place or whose turn comes too late. Returns those that
        can be worked on. Both in the order of their turns. `overdue`: those for which no time is
        left but to compute them now, or to decline them.
        """
        others = {work.request_id for work in due if self._looks < work.no_work_before}
        due = [work for work in due if work.request_id not in others]
        hopeless = self._find_hopeless(due, now)
        # Of requests that another thread has, or that wait for a later look.
        kept = sum(work.has_place for work in self._works.values())
        kept -= sum(work.has_place for work in due)
        rivals = [
            (work.request_id, work.has_place)
            for work in due
            if work.request_id not in hopeless and (work.has_place or work.opening is None)
        ]
        receiving = sum(work.progress is Progress.RECEIVING for work in self._works.values())
        free = self._places - kept
        unplaced, displaced = share_places(rivals, free=free, receiving=receiving)
        refused = hopeless | displaced
        # While envelopes are being fetched, the others wait a moment: perhaps not all of them open.
        if sum(has_place for _, has_place in rivals) >= free:
            refused |= unplaced
        for number in refused | (overdue & (unplaced | others)):
            self._turn_away(self._works[number], is_overdue=number in overdue)
        return [work for work in due if work.request_id not in refused | unplaced]

    def _find_hopeless(self, due: Sequence[RequestWork], now: int) -> set[RequestId]:
        elapsed = [self._clock() - started for started in self._running.values()]
        return find_hopeless(
            [
                (work.request_id, self._give_up_at(work) - now)
                for work in due
                if work.progress is Progress.WAITING
            ],
            slots=self._pool.slots,
            elapsed=elapsed,
            run_seconds=self._run_time.expected(elapsed),
        )

    def _give_up_at(self, work: RequestWork) -> int:
        place = work.request.recipients.index(self._shard_id)
        return self._timing.give_up_at(work.request, place)

    def _turn_away(self, work: RequestWork, *, is_overdue: bool) -> None:
        """Declines a request that cannot be answered in time; its other recipients may keep it
        until it is overdue.
        """
        if work.is_alone or is_overdue:
            work.opening = None  # its place is free at once
            self._post(work, self._decline(work, work.last_failure))
        else:
            work.hand_on(no_work_before=self._looks + LOOKS_AFTER_HANDING_ON)

    def _decline(self, work: RequestWork, reason: DeclineReason) -> DeclineEnding:
        return DeclineEnding(
            work.request_id,
            reason,
            deadline=work.request.deadline,
            is_primary=work.is_primary(self._shard_id),
        )

    def _take_step(self, work: RequestWork, step: Step) -> None:
        match step:
            case Decline(reason):
                # Also of a request that is still computed: its time is over.
                self._post(work, self._decline(work, reason))
            case Settle() if work.answered and work.opening:
                self._post(work, AnswerEnding(work.opening, work.answered))
            case Refund():
                self._post(work, RefundEnding(work.request_id))

    def _continue(self, work: RequestWork) -> None:
        """Takes the next step of a request that no other thread has."""
        if work.opening is None:
            work.progress = Progress.RECEIVING
            self._intake.submit(work.request, work.seen_at)
        elif len(self._running) < self._pool.slots and not self._stop.is_set():
            self._log.info("request started", request_id=int(work.request_id))
            self._observer.on_started(self._clock() - work.received_at)
            work.task = AnswerTask(work.opening, self._give_up_at(work))
            work.progress = Progress.RUNNING
            self._running[work.task] = self._clock()
            self._pool.submit(work.task)

    def _post(self, work: RequestWork, ending: Ending) -> None:
        if work.task is not None:
            work.task.cancelled.set()
        work.progress = Progress.POSTING
        if isinstance(ending, DeclineEnding):
            self._pace.on_sent(work.request_id)
        self._endings.submit(ending)

    def _warn(self, event: str, work: RequestWork, *, error: Exception) -> None:
        # Without ether a person has to act; all other failures may pass by themselves.
        log = self._log.error if isinstance(error, EtherIsShort) else self._log.warning
        log(event, request_id=int(work.request_id), error=error)
