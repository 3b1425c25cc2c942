# SPDX-License-Identifier: Apache-2.0
"""The steps that the journal runs for one request: read, decide, act, repeated until it has ended.

Every step reads the chain first, because anything may have happened since the previous one,
including a crash of this process. A lost race is information, not an error.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import EscrowReader, EscrowWriter
from oracle.errors import EtherIsShort, HeadIsStale, Rejected, Stopped
from oracle.inference.errors import NoPath
from oracle.records import (
    Answered,
    Ended,
    NoAnswer,
    Opening,
    Outcome,
    Refused,
    outcome_from_json,
)
from oracle.request.decision import (
    Decline,
    Done,
    Facts,
    Refund,
    Settle,
    Step,
    Timing,
    Work,
    decide,
)
from oracle.request.journal import Json
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import RequestId, ShardId


class Answerer(Protocol):
    """Opens the envelope, runs the path and seals the answer; only it handles plaintext."""

    def answer(self, opening: Opening, *, give_up: Callable[[], bool]) -> Outcome:
        """A sealed answer, or a refusal for a fault of the request itself.

        Raises `Retryable` if another path or a later attempt may succeed.
        """


class Settling(Protocol):
    """Posts an answer, alone or in a batch."""

    def settle(self, answered: Answered) -> str:
        """Returns the hash of the confirmed transaction. Raises `Retryable` and `Rejected`."""


class ActiveRequests:
    """The requests in work, so that a stop can wait for them. Thread-safe."""

    def __init__(self) -> None:
        self._requests: set[int] = set()
        self._changed = threading.Condition()

    @contextmanager
    def step(self, request_id: int, *, has_next: bool = False) -> Iterator[None]:
        """Counts the request while the block runs; with `has_next`, until its next step ends.

        Otherwise a stop could slip in between two steps, while the journal writes.
        """
        with self._changed:
            self._requests.add(request_id)
        try:
            yield
        except BaseException:
            self._end(request_id)
            raise
        if not has_next:
            self._end(request_id)

    def wait_until_none(self, seconds: float) -> bool:
        """Waits at most `seconds`. Returns whether no request is in work."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._requests, timeout=seconds)

    def _end(self, request_id: int) -> None:
        with self._changed:
            self._requests.discard(request_id)
            self._changed.notify_all()


class _RequestReplaced(Exception):
    """After a reorganisation, the number belongs to another request."""


class RequestWorkflow:
    """The four steps. One object serves all requests, each in its own thread."""

    def __init__(
        self,
        *,
        reader: EscrowReader,
        writer: EscrowWriter,
        settling: Settling,
        answerer: Answerer,
        heads: Heads,
        shard_id: ShardId,
        timing: Timing,
        poll_seconds: float,
        stop: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        """`poll_seconds`: the longest wait between two reads of an unchanged chain."""
        self._reader = reader
        self._writer = writer
        self._settling = settling
        self._answerer = answerer
        self._heads = heads
        self._shard_id = shard_id
        self._timing = timing
        self._poll_seconds = poll_seconds
        self._stop = stop
        self._log = log
        self._active = ActiveRequests()

    def wait_until_idle(self, seconds: float) -> bool:
        """Waits at most `seconds`. Returns whether no request is in work."""
        return self._active.wait_until_none(seconds)

    # -- the steps, in order -------------------------------------------------------------------

    def fetch(self, request_id: int) -> dict[str, Any] | None:
        """The opening event, checked against contract state; None if there is no such request."""
        with self._active.step(request_id):
            opening = self._fetch(RequestId(request_id))
        return None if opening is None else opening.to_json()

    def answer(self, opening_json: Json) -> dict[str, Any]:
        """A sealed answer, a refusal, or neither because it is too late."""
        opening = Opening.from_json(opening_json)
        with self._active.step(opening.request_id, has_next=True):
            return self._answer(opening).to_json()

    def conclude(self, opening_json: Json, outcome_json: Json) -> dict[str, Any]:
        """Ends the request on chain, or waits until someone else does; returns how it ended."""
        opening, outcome = Opening.from_json(opening_json), outcome_from_json(outcome_json)
        with self._active.step(opening.request_id):
            return self._conclude(opening, outcome).to_json()

    def credit(self, opening_json: Json, ended_json: Json) -> dict[str, Any]:
        """Records what each stage was credited; the escrow has already paid it."""
        opening, ended = Opening.from_json(opening_json), Ended.from_json(ended_json)
        if ended.status is not RequestStatus.SETTLED:
            return {}
        request = replace(opening.request, status=ended.status)
        try:
            settled = self._reader.settled(request)
        except TeeTeeError as error:
            self._log.warning("credits not seen", request_id=int(request.request_id), error=error)
            return {}
        stages = [[int(stage.shard_id), str(stage.amount)] for stage in settled.stages]
        return {"transaction": settled.transaction_hash, "stages": stages}

    def _fetch(self, number: RequestId) -> Opening | None:
        while True:
            try:
                request, at = self._read_request(number)
                if request is None:
                    return None
                opening = self._reader.opening(request, at=at)
            except TeeTeeError as error:
                self._warn("request cannot be fetched", number, error=error)
            else:
                if opening is not None:
                    return opening
                # A node may have the state before it has the log.
                self._warn("opening event is not available yet", number)
            self._wait_for_block()

    def _answer(self, opening: Opening) -> Outcome:
        last_failure = DeclineReason.OVERLOADED
        while True:
            match self._next_step(opening, NoAnswer(), last_failure=last_failure):
                case Work(give_up_at):
                    try:
                        return self._answerer.answer(opening, give_up=self._is_after(give_up_at))
                    except Exception as error:  # noqa: BLE001 - retried until `give_up_at`
                        if isinstance(error, NoPath):
                            last_failure = DeclineReason.NO_PATH
                        self._warn("no answer yet", opening.request_id, error=error)
                case Decline(reason):
                    return Refused(reason)
                case Settle() | Refund() | Done():
                    return NoAnswer()
            self._wait_for_block()

    def _conclude(self, opening: Opening, outcome: Outcome) -> Ended:
        number, transaction, rejected = opening.request_id, None, False
        while True:
            step = self._next_step(opening, outcome, rejected=rejected)
            match step:
                case Done(status):
                    return self._ended(number, Ended(status, transaction))
                case Work():
                    # It had ended when the answer was due and is open again: it starts over.
                    return self._ended(number, Ended(RequestStatus.NONE, transaction))
            try:
                transaction = self._act(step, opening, outcome) or transaction
                rejected = False
            except _RequestReplaced:
                return self._ended(number, Ended(RequestStatus.NONE, transaction))
            except Exception as error:  # noqa: BLE001 - the state is read again
                rejected = isinstance(error, Rejected)
                self._warn("request cannot be ended yet", number, error=error)
                self._wait_for_block()

    # -- reading and deciding ------------------------------------------------------------------

    def _read_request(self, number: RequestId) -> tuple[Request | None, Block]:
        # Polled first, so that this process sees the effect of its own transactions.
        self._heads.poll()
        at = self._heads.current()
        return self._reader.request(number, at=at), at

    def _next_step(
        self,
        opening: Opening,
        outcome: Outcome,
        *,
        rejected: bool = False,
        last_failure: DeclineReason = DeclineReason.OVERLOADED,
    ) -> Step | None:
        """The step to take now, or None if the chain is unreadable."""
        number = opening.request_id
        try:
            request, at = self._read_request(number)
        except TeeTeeError as error:
            self._warn("chain cannot be read", number, error=error)
            return None
        if request is None or not opening.is_of(request):
            return Done(RequestStatus.NONE)
        facts = Facts(
            now=at.timestamp,
            shard_id=self._shard_id,
            answered=isinstance(outcome, Answered),
            rejected=rejected,
            refused=outcome.reason if isinstance(outcome, Refused) else None,
            last_failure=last_failure,
        )
        return decide(request, facts, self._timing)

    # -- acting --------------------------------------------------------------------------------

    def _act(self, step: Step | None, opening: Opening, outcome: Outcome) -> str | None:
        number = opening.request_id
        match step:
            case Settle() if isinstance(outcome, Answered):
                self._check_context(opening)
                return self._settling.settle(outcome)
            case Decline(reason):
                self._log.info("declining", request_id=int(number), reason=reason.name)
                return self._writer.decline(number, reason)
            case Refund():
                self._log.info("refunding", request_id=int(number))
                return self._writer.refund(number)
            case _:
                self._wait_for_block()
                return None

    def _check_context(self, opening: Opening) -> None:
        # After a reorganisation, the number can belong to another request that looks the same. Its
        # requester could not read this answer, but would pay for it.
        present = self._reader.opening(opening.request, at=self._heads.current())
        if present is not None and present.context != opening.context:
            raise _RequestReplaced

    def _ended(self, number: RequestId, ended: Ended) -> Ended:
        facts = {} if ended.transaction is None else {"transaction": ended.transaction}
        state = ended.status.name.lower()
        self._log.info("request ended", request_id=int(number), state=state, **facts)
        return ended

    # -- waiting -------------------------------------------------------------------------------

    def _warn(self, event: str, number: RequestId, **facts: object) -> None:
        # Without ether a person has to act; all other failures may pass by themselves.
        is_urgent = isinstance(facts.get("error"), EtherIsShort)
        log = self._log.error if is_urgent else self._log.warning
        log(event, request_id=int(number), **facts)

    def _wait_for_block(self) -> None:
        """Raises `Stopped` when the process stops; the journal keeps the request."""
        if self._stop.is_set():
            raise Stopped
        self._heads.wait_for_change(self._poll_seconds)
        if self._stop.is_set():
            raise Stopped

    def _is_after(self, give_up_at: int) -> Callable[[], bool]:
        """Whether chain time has reached `give_up_at`; False while the chain is unreadable."""

        def give_up() -> bool:
            try:
                return self._heads.current().timestamp >= give_up_at
            except HeadIsStale:
                return False

        return give_up
