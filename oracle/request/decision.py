# SPDX-License-Identifier: Apache-2.0
"""The next step for one request: a pure function of the known facts, without clock, socket or log.

All times are chain time in Unix seconds. Contract state decides which requests exist and how they
ended; the journal only adds what this oracle already has for them (an `Outcome`).

The deadline and the takeover times are the request's own (contracts/escrow/RequestStorage.sol); the
margins around the deadline are settings, with their defaults in oracle/process/settings.py.
"""

from dataclasses import dataclass

from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.protocol.identifiers import ShardId

ENCLAVE_FAULTS = frozenset(DeclineReason) - {DeclineReason.INVALID}
"""Reasons that lie with this enclave, not with the prompt: another recipient may succeed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The decision's margins, in s."""

    decline_margin: int  # before the deadline: time for a transaction to be included
    refund_grace: int  # after the deadline: time for the requester to act first


@dataclass(frozen=True, slots=True)
class Facts:
    """All other inputs of the decision."""

    now: int  # s, the newest block's timestamp
    shard_id: ShardId
    answered: bool = False  # the journal holds a sealed answer with its settlement
    rejected: bool = False  # the escrow refused that settlement at the last attempt
    refused: DeclineReason | None = None  # the journal holds a refusal
    last_failure: DeclineReason = DeclineReason.OVERLOADED  # why the last attempt to answer failed


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
    give_up_at = request.deadline - timing.decline_margin
    if facts.answered:
        # A settlement that the escrow refuses may become valid (a stage is renewed), but the
        # oracle does not wait for that until the deadline.
        is_late = facts.rejected and facts.now >= give_up_at
        return Decline(DeclineReason.NO_PATH) if is_late else Settle()

    if facts.refused is not None:
        return _decline(request, facts, facts.refused, place, give_up_at)
    turn = request.takeover_at(place)
    if facts.now < turn:
        return Wait(until=turn)
    return Decline(facts.last_failure) if facts.now >= give_up_at else Work(give_up_at=give_up_at)


def _after_deadline(request: Request, facts: Facts, timing: Timing, place: int) -> Step:
    # Recipients take turns, so that they do not all pay gas for the same refund.
    at = request.deadline + 1 + timing.refund_grace * (place + 1)
    return Refund() if facts.now >= at else Wait(until=at)


def _decline(
    request: Request, facts: Facts, reason: DeclineReason, place: int, give_up_at: int
) -> Step:
    # Declining ends the request for all recipients: while others follow, a fault of this enclave
    # is no reason to end it early.
    others_follow = place + 1 < len(request.recipients)
    leave_to_others = others_follow and reason in ENCLAVE_FAULTS
    earliest = give_up_at if leave_to_others else request.takeover_at(place)
    return Decline(reason) if facts.now >= earliest else Wait(until=earliest)
