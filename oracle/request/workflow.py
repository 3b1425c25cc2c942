# SPDX-License-Identifier: Apache-2.0
"""The work on one request, as the journal's steps: look, decide, act, and look again until the
request has ended.

Every step begins by asking the chain, because anything may have happened since the last one, a
crash of this process included. A lost race is information, not an error.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import EscrowReader, EscrowWriter
from oracle.errors import EtherIsShort, HeadIsStale, NoPath, Rejected, Stopped
from oracle.records import Answered, Ended, Made, Nothing, Opening, Refused, made_from_json
from oracle.request.decision import (
    Decline,
    Facts,
    Leave,
    Refund,
    Settle,
    Step,
    Timing,
    Wait,
    Work,
    decide,
)
from oracle.request.in_flight import InFlight
from oracle.request.journal import Json
from oracle.request.lifecycle import Event, State
from oracle.request.progress import Progress
from teetee.chain.connection import Block
from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import RequestId, ShardId

_SEEN = {
    RequestStatus.NONE: Event.SEEN_VANISHED,
    RequestStatus.SETTLED: Event.SEEN_SETTLED,
    RequestStatus.DECLINED: Event.SEEN_DECLINED,
    RequestStatus.REFUNDED: Event.SEEN_REFUNDED,
}


class AnswerMaker(Protocol):
    """Opens, runs and seals; the only place where plaintext is."""

    def make(self, opening: Opening, *, give_up: Callable[[], bool]) -> Made:
        """A sealed answer, or a refusal for what is wrong with the request itself.

        Raises `Retryable` for what may go better on another path or later.
        """


class Settling(Protocol):
    """Posts an answer, alone or with others."""

    def settle(self, answered: Answered) -> str:
        """Returns the transaction's hash once it is confirmed. Raises `Retryable` and
        `Rejected`."""


class Replaced(Exception):
    """The number names another request now."""


class RequestWork:
    """The four steps. One object serves all requests, each in a thread of its own."""

    def __init__(
        self,
        *,
        reader: EscrowReader,
        writer: EscrowWriter,
        settling: Settling,
        maker: AnswerMaker,
        heads: Heads,
        shard_id: ShardId,
        timing: Timing,
        progress: Progress,
        in_flight: InFlight,
        pause: float,
        stop: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        """`pause` in s: the longest time between two looks at an unchanged chain."""
        self._reader = reader
        self._writer = writer
        self._settling = settling
        self._maker = maker
        self._heads = heads
        self._shard_id = shard_id
        self._timing = timing
        self._progress = progress
        self._in_flight = in_flight
        self._pause = pause
        self._stop = stop
        self._log = log

    # -- the steps, in their order -------------------------------------------------------------

    def fetch(self, request_id: int) -> dict[str, Any] | None:
        """The opening event, checked against contract state; None when there is no such request."""
        with self._in_flight.step(request_id):
            opening = self._fetch(RequestId(request_id))
        return None if opening is None else opening.to_json()

    def answer(self, opening_json: Json) -> dict[str, Any]:
        """A sealed answer, a refusal, or nothing because it is too late."""
        opening = Opening.from_json(opening_json)
        self._progress.begin(opening.request_id)
        with self._in_flight.step(opening.request_id, has_next=True):
            made = self._answer(opening)
        self._note_made(opening.request_id, made)
        return made.to_json()

    def conclude(self, opening_json: Json, made_json: Json) -> dict[str, Any]:
        """Sees the request to its end on chain and says which it was."""
        opening, made = Opening.from_json(opening_json), made_from_json(made_json)
        self._progress.begin(opening.request_id)
        with self._in_flight.step(opening.request_id):
            ended = self._conclude(opening, made)
        self._progress.note(opening.request_id, _SEEN.get(ended.status, Event.SEEN_VANISHED))
        return ended.to_json()

    def credit(self, opening_json: Json, ended_json: Json) -> dict[str, Any]:
        """Who was credited what, for this oracle's own books; the escrow has paid it already."""
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
        self._progress.begin(number)
        while True:
            try:
                request, at = self._look(number)
                if request is None:
                    self._progress.note(number, Event.SEEN_VANISHED)
                    return None
                opening = self._reader.opening(request, at=at)
            except TeeTeeError as error:
                self._rest("request cannot be fetched", number, error)
                continue
            if opening is not None:
                return opening
            # A node can know the state before it knows the log.
            self._rest("opening event is not there yet", number)

    def _answer(self, opening: Opening) -> Made:
        hindrance = DeclineReason.OVERLOADED
        while True:
            match self._next(opening, Nothing(), hindrance=hindrance):
                case Work(give_up_at):
                    try:
                        return self._maker.make(opening, give_up=self._giving_up(give_up_at))
                    except Exception as error:  # noqa: BLE001 - tried until it is time
                        if isinstance(error, NoPath):
                            hindrance = DeclineReason.NO_PATH
                        self._rest("answer could not be made yet", opening.request_id, error)
                case Decline(reason):
                    return Refused(reason)
                case Wait() | None:
                    self._rest()
                case Settle() | Refund() | Leave():
                    return Nothing()

    def _conclude(self, opening: Opening, made: Made) -> Ended:
        number, transaction, rejected = opening.request_id, None, False
        while True:
            step = self._next(opening, made, rejected=rejected)
            match step:
                case Leave(status):
                    return self._ended(number, Ended(status, transaction))
                case Work():
                    # It had ended when the answer was due and is open again: to be begun anew.
                    return self._ended(number, Ended(RequestStatus.NONE, transaction))
            try:
                transaction = self._act(step, opening, made) or transaction
                rejected = False
            except Replaced:
                return self._ended(number, Ended(RequestStatus.NONE, transaction))
            except Exception as error:  # noqa: BLE001 - the state is asked again
                rejected = isinstance(error, Rejected)
                self._rest("request cannot be ended yet", number, error)

    # -- looking -------------------------------------------------------------------------------

    def _look(self, number: RequestId) -> tuple[Request | None, Block]:
        # Asked anew, so that what this process has just sent is seen.
        self._heads.poll()
        at = self._heads.current()
        return self._reader.request(number, at=at), at

    def _next(
        self,
        opening: Opening,
        made: Made,
        *,
        rejected: bool = False,
        hindrance: DeclineReason = DeclineReason.OVERLOADED,
    ) -> Step | None:
        """What to do now; None: the chain cannot be asked."""
        number = opening.request_id
        try:
            request, at = self._look(number)
            if request is None or not opening.is_of(request):
                return Leave(RequestStatus.NONE)
        except TeeTeeError as error:
            self._log.warning("chain cannot be asked", request_id=int(number), error=error)
            return None
        facts = Facts(
            now=at.timestamp,
            shard_id=self._shard_id,
            answered=isinstance(made, Answered),
            rejected=rejected,
            refused=made.reason if isinstance(made, Refused) else None,
            hindrance=hindrance,
        )
        step = decide(request, facts, self._timing)
        if isinstance(step, Work) and self._progress.state(number) is State.WAITING:
            self._progress.note(number, Event.TURN_CAME)
        return step

    # -- acting --------------------------------------------------------------------------------

    def _act(self, step: Step | None, opening: Opening, made: Made) -> str | None:
        number = opening.request_id
        match step:
            case Settle() if isinstance(made, Answered):
                self._check_context(opening)
                return self._settling.settle(made)
            case Decline(reason):
                self._log.info("declining", request_id=int(number), reason=reason.name)
                return self._writer.decline(number, reason)
            case Refund():
                self._log.info("refunding", request_id=int(number))
                return self._writer.refund(number)
            case _:
                self._rest()
                return None

    def _check_context(self, opening: Opening) -> None:
        # After a reorganisation the same number can name another request that looks alike; its
        # requester could not read this answer, and would pay for it.
        present = self._reader.opening(opening.request, at=self._heads.current())
        if present is not None and present.context != opening.context:
            raise Replaced

    def _ended(self, number: RequestId, ended: Ended) -> Ended:
        facts = {} if ended.transaction is None else {"transaction": ended.transaction}
        state = ended.status.name.lower()
        self._log.info("request ended", request_id=int(number), state=state, **facts)
        return ended

    def _note_made(self, number: RequestId, made: Made) -> None:
        if isinstance(made, Answered):
            self._progress.note(number, Event.ANSWER_SEALED)
        elif isinstance(made, Refused) and self._progress.state(number) is State.WORKING:
            self._progress.note(number, Event.REFUSAL_MADE)

    # -- waiting -------------------------------------------------------------------------------

    def _rest(
        self, event: str | None = None, number: RequestId | None = None, error: object = None
    ) -> None:
        """Until the chain moves on.

        Raises:
            Stopped: the process stops; the journal keeps the request.
        """
        if event is not None and number is not None:
            facts = {} if error is None else {"error": error}
            # Without ether nothing moves until a person acts; everything else may pass by itself.
            say = self._log.error if isinstance(error, EtherIsShort) else self._log.warning
            say(event, request_id=int(number), **facts)
        if self._stop.is_set():
            raise Stopped
        self._heads.wait_for_change(self._pause)
        if self._stop.is_set():
            raise Stopped

    def _giving_up(self, give_up_at: int) -> Callable[[], bool]:
        def give_up() -> bool:
            try:
                return self._heads.current().timestamp >= give_up_at
            except HeadIsStale:
                return False

        return give_up
