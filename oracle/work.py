"""The work on one request, as the journal's steps: look, decide, act, and look again until the
request has ended.

Every step begins by asking the chain, because anything may have happened since the last one, a
crash of this process included. A lost race is information, not an error.
"""

import threading
from collections.abc import Callable
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from oracle.chain_seam import EscrowReader, EscrowWriter
from oracle.decision import Decline, Facts, Leave, Refund, Settle, Step, Timing, Wait, Work, decide
from oracle.errors import HeadIsStale, NoPath, Rejected, Stopped
from oracle.heads import Heads
from oracle.journal import Json
from oracle.lifecycle import Event, State
from oracle.progress import Progress
from oracle.records import Answered, Ended, Made, Nothing, Opening, Refused, made_from_json
from teetee.chain.connection import Block
from teetee.chain.requests import DeclineReason, Request, RequestStatus
from teetee.errors import TeeTeeError
from teetee.identifiers import RequestId, ShardId

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
        self._pause = pause
        self._stop = stop
        self._log = log

    # -- the steps, in their order -------------------------------------------------------------

    def fetch(self, request_id: int) -> dict[str, Any] | None:
        """The opening event, checked against contract state; None when there is no such request."""
        number = RequestId(request_id)
        self._progress.begin(number)
        while True:
            try:
                request, at = self._look(number)
                opening = None if request is None else self._reader.opening(request, at=at)
            except TeeTeeError as error:
                self._rest("request cannot be fetched", number, error)
                continue
            if request is None:
                self._progress.note(number, Event.SEEN_VANISHED)
                return None
            if opening is not None:
                return opening.to_json()
            # A node can know the state before it knows the log.
            self._rest("opening event is not there yet", number)

    def answer(self, opening_json: Json) -> dict[str, Any]:
        """A sealed answer, a refusal, or nothing because it is too late."""
        opening = Opening.from_json(opening_json)
        self._progress.begin(opening.request_id)
        number, hindrance = opening.request_id, DeclineReason.OVERLOADED
        while True:
            step = self._next(opening, Nothing(), hindrance=hindrance)
            match step:
                case Work(give_up_at):
                    try:
                        made = self._maker.make(opening, give_up=self._giving_up(give_up_at))
                    except Exception as error:  # noqa: BLE001 - tried until it is time
                        if isinstance(error, NoPath):
                            hindrance = DeclineReason.NO_PATH
                        self._rest("answer could not be made yet", number, error)
                        continue
                    self._note_made(number, made)
                    return made.to_json()
                case Decline(reason):
                    self._note_made(number, Refused(reason))
                    return Refused(reason).to_json()
                case Wait() | None:
                    self._rest()
                case Settle() | Refund() | Leave():
                    return Nothing().to_json()

    def conclude(self, opening_json: Json, made_json: Json) -> dict[str, Any]:
        """Sees the request to its end on chain and says which it was."""
        opening, made = Opening.from_json(opening_json), made_from_json(made_json)
        self._progress.begin(opening.request_id)
        transaction, rejected = None, False
        while True:
            step = self._next(opening, made, rejected=rejected)
            if isinstance(step, Leave):
                return self._end(opening.request_id, step.status, transaction)
            if isinstance(step, Work):
                # It had ended when the answer was due and is open again: to be begun anew.
                return self._end(opening.request_id, RequestStatus.NONE, transaction)
            try:
                transaction = self._act(step, opening, made) or transaction
                rejected = False
            except Replaced:
                return self._end(opening.request_id, RequestStatus.NONE, transaction)
            except Rejected as error:
                rejected = True
                self._rest("the escrow refuses", opening.request_id, error)
            except Exception as error:  # noqa: BLE001 - the state is asked again
                self._rest("request cannot be ended yet", opening.request_id, error)

    def credit(self, ended_json: Json) -> dict[str, Any]:
        """Notes the end; what was credited to whom is the chain's to say."""
        return dict(Ended.from_json(ended_json).to_json())

    # -- looking -------------------------------------------------------------------------------

    def _look(self, number: RequestId) -> tuple[Request | None, Block]:
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
                return self._writer.decline(number, self._shard_id, reason)
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

    def _end(
        self, number: RequestId, status: RequestStatus, transaction: str | None
    ) -> dict[str, Any]:
        self._progress.note(number, _SEEN.get(status, Event.SEEN_VANISHED))
        facts = {} if transaction is None else {"transaction": transaction}
        self._log.info("request ended", request_id=int(number), state=status.name.lower(), **facts)
        return Ended(status, transaction).to_json()

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
            self._log.warning(event, request_id=int(number), **facts)
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
