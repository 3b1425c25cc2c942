# SPDX-License-Identifier: Apache-2.0
"""The next step for one request: a pure function of the known facts, without clock, socket or log.

All times are chain time in Unix seconds. Contract state decides which requests exist and how they
ended; this process only adds what it has for them.

The deadline and the takeover times are the request's own (contracts/escrow/RequestStorage.sol); the
margins around the deadline are settings, with their defaults in oracle/process/settings.py.

A decline ends a request for all of its recipients: the escrow keeps no answer of each. So a
recipient among several declines only when the others cannot be disturbed any more: a fault of its
own must not end a request that another answers, and a requester must not get an answer for nothing
by sealing rubbish to a second recipient. How many declines are due at about the same time moves
that moment forward (`oracle.request.decline_pace`), but never into the time in which a later
recipient may still be at work: that one ends its answer and settles it before.
"""

from dataclasses import dataclass

from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.protocol.identifiers import ShardId

MIN_DECLINE_MARGIN_SECONDS = 10
"""On all machines but simulated ones, whose chains and deadlines may be faster."""
MAX_LEAD_SECONDS = 30
"""A request with other recipients is declined no earlier before its deadline, once a later
recipient may have begun. All machines but simulated ones have this limit, whatever their margins.
"""
LAST_WORD_SECONDS = 5
"""Later recipients decline no earlier before the deadline: the primary has settled by then."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The decision's margins, in s."""

    decline_margin: int  # before the deadline: time for a transaction to be included
    refund_grace: int  # after the deadline: time for the requester to act first

    @property
    def max_lead(self) -> int:
        """`MAX_LEAD_SECONDS`, less where a simulated machine has a shorter margin than others."""
        is_usual = self.decline_margin >= MIN_DECLINE_MARGIN_SECONDS
        return MAX_LEAD_SECONDS if is_usual else self.decline_margin

    def give_up_at(self, request: Request, place: int) -> int:
        """When the recipient at `place` gives up: a later one so early that its answer, which ends
        with `length` shortly before, is settled before the primary may decline.
        """
        return request.deadline - (2 * self.max_lead if place else self.decline_margin)


@dataclass(frozen=True, slots=True)
class Facts:
    """All other inputs of the decision."""

    now: int  # s, the newest block's timestamp
    shard_id: ShardId
    answered: bool = False  # there is a sealed answer with its settlement
    rejected: bool = False  # the escrow refused that settlement at the last attempt
    refused: DeclineReason | None = None  # why this enclave will not answer it
    last_failure: DeclineReason = DeclineReason.OVERLOADED  # why the last attempt to answer failed
    last_call: int | None = None  # when a primary declines, given what else is due by then


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing before `until` (s, chain time)."""

    until: int


@dataclass(frozen=True, slots=True)
class Work:
    """Open the envelope and run the path; give up at `give_up_at` (s, chain time)."""

    give_up_at: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Post the sealed answer and the receipts."""


@dataclass(frozen=True, slots=True)
class Decline:
    """Return the deposit, with a reason."""

    reason: DeclineReason


@dataclass(frozen=True, slots=True)
class Refund:
    """The deadline has passed without a refund: send it, so that no deposit stays locked."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do: the request ended with `status`, or is not this shard's."""

    status: RequestStatus


Step = Wait | Work | Settle | Decline | Refund | Done


def decide(request: Request, facts: Facts, timing: Timing) -> Step:
    """The next step for `request`.

    Does not guarantee that the step succeeds: contract state may have changed, so each step reads
    it again before it acts.
    """
    if request.status is not RequestStatus.OPEN or facts.shard_id not in request.recipients:
        return Done(request.status)
    place = request.recipients.index(facts.shard_id)
    if facts.now > request.deadline:
        return _after_deadline(request, facts, timing, place)
    give_up_at = timing.give_up_at(request, place)
    turn = request.takeover_at(place)
    decline_at = max(turn, _last_call(request, facts, timing, place))
    if facts.answered:
        # A settlement that the escrow refuses may become valid (a stage is renewed), but the
        # oracle does not wait for that until the deadline.
        is_late = facts.rejected and facts.now >= decline_at
        return Decline(DeclineReason.NO_PATH) if is_late else Settle()
    if facts.refused is not None:
        ends_all = _ends_for_all(request, facts, place)
        return _decline(facts, facts.refused, turn if ends_all else decline_at)
    if turn <= facts.now < give_up_at:
        return Work(give_up_at=give_up_at)
    return Wait(until=turn) if facts.now < turn else _decline(facts, facts.last_failure, decline_at)


def _last_call(request: Request, facts: Facts, timing: Timing, place: int) -> int:
    """When a recipient among several declines. The primary, whose bond answers for the request,
    comes first, and earlier if many requests are due; the others leave it time to post an answer.
    """
    if place:
        return request.deadline - min(timing.decline_margin // 2, LAST_WORD_SECONDS)
    latest = request.deadline - timing.decline_margin
    return latest if facts.last_call is None else min(latest, facts.last_call)


def _ends_for_all(request: Request, facts: Facts, place: int) -> bool:
    """Whether a refusal may end the request at once."""
    if len(request.recipients) == 1:
        return True
    # Until the second one's turn, the primary disturbs no other by saying that there is no prompt.
    is_first_word = place == 0 and facts.now < request.takeover_at(1)
    return is_first_word and facts.refused is DeclineReason.INVALID


def _decline(facts: Facts, reason: DeclineReason, earliest: int) -> Step:
    return Decline(reason) if facts.now >= earliest else Wait(until=earliest)


def _after_deadline(request: Request, facts: Facts, timing: Timing, place: int) -> Step:
    # Recipients take turns, so that they do not all pay gas for the same refund.
    at = request.deadline + 1 + timing.refund_grace * (place + 1)
    return Refund() if facts.now >= at else Wait(until=at)
