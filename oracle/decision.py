"""What to do next with one request: a pure function of what is known. No clock, no socket, no log.

All times are chain time in Unix seconds. Contract state decides which requests exist and how they
ended; the journal only adds what this oracle has already made for them (`Outcome`).
"""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from teetee.identifiers import RequestId, ShardId


class ChainStatus(Enum):
    """The escrow's word on a request (protocol section 6)."""

    NONE = "none"
    OPEN = "open"
    SETTLED = "settled"
    DECLINED = "declined"
    REFUNDED = "refunded"


class Reason(IntEnum):
    """Why a request is declined: `DeclineReason` of the escrow, which tells nothing about what was
    asked.
    """

    UNREADABLE = 0  # the envelope does not open
    INVALID = (
        1  # it opens, but there is no valid prompt in it, or one that is longer than was paid for
    )
    NO_PATH = 2  # no whole path of active shards can be reached
    OVERLOADED = 3  # no room before the deadline
    STOPPING = 4  # the enclave is about to leave


# Another recipient could do better with these: the fault is this enclave's view, not the prompt's.
OURS = frozenset({Reason.UNREADABLE, Reason.NO_PATH, Reason.OVERLOADED, Reason.STOPPING})


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A request as the escrow's state shows it."""

    request_id: RequestId
    status: ChainStatus
    requester: str
    opened_at: int  # s
    deadline: int  # s; settling is possible up to and including it
    max_input_tokens: int
    max_output_tokens: int
    recipients: tuple[ShardId, ...]  # primary first

    def is_same_as(self, other: "OpenedRequest") -> bool:
        """Whether both are one request at different times: after a reorganisation, a number may
        name another one.
        """
        return replace(self, status=other.status) == other

    def takeover_at(self, place: int) -> int:
        """When recipient `place` may start, in s. Source: protocol section 6."""
        window = self.deadline - self.opened_at
        return self.opened_at + place * window // len(self.recipients)


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
    refused: Reason | None = None  # a refusal is in the journal
    hindrance: Reason = Reason.OVERLOADED  # why the last try to answer failed


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

    reason: Reason


@dataclass(frozen=True, slots=True)
class Refund:
    """The deadline has passed and nobody refunded: do it, so that no deposit stays in limbo."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is left to do: it ended so, or is not this shard's."""

    status: ChainStatus


Step = Wait | Work | Settle | Decline | Refund | Leave


def decide(request: OpenedRequest, facts: Facts, timing: Timing) -> Step:
    """The next step for `request`.

    Does not guarantee that the step succeeds: the contract may have moved on, so each step asks
    again before it acts.
    """
    if request.status is not ChainStatus.OPEN or facts.shard_id not in request.recipients:
        return Leave(request.status)
    place = request.recipients.index(facts.shard_id)
    if facts.now > request.deadline:
        return _after_deadline(request, facts, timing, place)
    give_up_at = request.deadline - timing.decline_margin
    if facts.answered:
        # A settlement that the escrow refuses may still become good (a stage is renewed), but not
        # for ever.
        return Decline(Reason.NO_PATH) if facts.rejected and facts.now >= give_up_at else Settle()
    if facts.refused is not None:
        return _decline(request, facts, facts.refused, place, give_up_at)
    turn = request.takeover_at(place)
    if facts.now < turn:
        return Wait(until=turn)
    return Decline(facts.hindrance) if facts.now >= give_up_at else Work(give_up_at=give_up_at)


def _after_deadline(request: OpenedRequest, facts: Facts, timing: Timing, place: int) -> Step:
    # One after the other, so that the recipients do not all pay gas for the same refund.
    at = request.deadline + 1 + timing.refund_grace * (place + 1)
    return Refund() if facts.now >= at else Wait(until=at)


def _decline(
    request: OpenedRequest, facts: Facts, reason: Reason, place: int, give_up_at: int
) -> Step:
    # Declining ends the request for everybody: with others still to come, a fault of ours is no
    # reason to end it early.
    others_follow = place + 1 < len(request.recipients)
    earliest = give_up_at if others_follow and reason in OURS else request.takeover_at(place)
    return Decline(reason) if facts.now >= earliest else Wait(until=earliest)
