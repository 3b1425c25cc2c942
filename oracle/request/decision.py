# SPDX-License-Identifier: Apache-2.0
"""What to do next with one request: a pure function of what is known. No clock, no socket, no log.

All times are chain time in Unix seconds. Contract state decides which requests exist and how they
ended; the journal only adds what this oracle has already made for them (`Outcome`).
"""

from dataclasses import dataclass

from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.protocol.identifiers import ShardId

# Another recipient could do better with these: the fault is this enclave's view, not the prompt's.
OURS = frozenset(DeclineReason) - {DeclineReason.INVALID}


@dataclass(frozen=True, slots=True)
class Timing:
    """The margins of the decision, in s."""

    decline_margin: int = 15  # before the deadline: time for a transaction to be included
    refund_grace: int = 30  # after the deadline: time for the requester to act first


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything else that the decision rests on."""

    now: int  # s, the newest block's time
    shard_id: ShardId
    answered: bool = False  # a sealed answer with its settlement is in the journal
    rejected: bool = False  # and the escrow refused it when it was tried last
    refused: DeclineReason | None = None  # a refusal is in the journal
    hindrance: DeclineReason = DeclineReason.OVERLOADED  # why the last try to answer failed


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (s, chain time)."""

    until: int


@dataclass(frozen=True, slots=True)
class Work:
    """Open the envelope and run the path; give up at `give_up_at` (s)."""

    give_up_at: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Post the sealed answer and the receipts."""


@dataclass(frozen=True, slots=True)
class Decline:
    """Give everything back, saying why."""

    reason: DeclineReason


@dataclass(frozen=True, slots=True)
class Refund:
    """The deadline has passed and nobody refunded: do it, so that no deposit stays in limbo."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is left to do: it ended so, or is not this shard's."""

    status: RequestStatus


Step = Wait | Work | Settle | Decline | Refund | Leave


def decide(request: Request, facts: Facts, timing: Timing) -> Step:
    """The next step for `request`.

    Does not guarantee that the step succeeds: the contract may have moved on, so each step asks
    again before it acts.
    """
    if request.status is not RequestStatus.OPEN or facts.shard_id not in request.recipients:
        return Leave(request.status)
    place = request.recipients.index(facts.shard_id)
    if facts.now > request.deadline:
        return _after_deadline(request, facts, timing, place)
    give_up_at = request.deadline - timing.decline_margin
    if facts.answered:
        # A settlement that the escrow refuses may still become good (a stage is renewed), but not
        # for ever.
        is_late = facts.rejected and facts.now >= give_up_at
        return Decline(DeclineReason.NO_PATH) if is_late else Settle()

    if facts.refused is not None:
        return _decline(request, facts, facts.refused, place, give_up_at)
    turn = request.takeover_at(place)
    if facts.now < turn:
        return Wait(until=turn)
    return Decline(facts.hindrance) if facts.now >= give_up_at else Work(give_up_at=give_up_at)


def _after_deadline(request: Request, facts: Facts, timing: Timing, place: int) -> Step:
    # One after the other, so that the recipients do not all pay gas for the same refund.
    at = request.deadline + 1 + timing.refund_grace * (place + 1)
    return Refund() if facts.now >= at else Wait(until=at)


def _decline(
    request: Request, facts: Facts, reason: DeclineReason, place: int, give_up_at: int
) -> Step:
    # Declining ends the request for everybody: with others still to come, a fault of ours is no
    # reason to end it early.
    others_follow = place + 1 < len(request.recipients)
    earliest = give_up_at if others_follow and reason in OURS else request.takeover_at(place)
    return Decline(reason) if facts.now >= earliest else Wait(until=earliest)
