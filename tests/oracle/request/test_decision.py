# SPDX-License-Identifier: Apache-2.0
"""The next step for one request.

given a request that ended, or is for others
    nothing should be done
given an open request for this shard
    when its turn has not come: it should wait for exactly that second
    when its turn has come: it should be worked on until shortly before the deadline
    when too little time is left: it should be declined with the reason of the last failure
given an answer
    it should be settled until the deadline; if the escrow refuses it, declined when time runs out
given a refusal
    by the only recipient, or by the primary for the prompt's own fault before the second one's
    turn: it should be declined at once
    by one of several: it should be left to the others until time runs out, and by all but the
    primary until the primary's last moment has passed as well
    by any host's settings: no decline should come while another recipient may still be at work
given the deadline has passed
    it should be refunded, but the requester first, and the recipients one after the other
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.process.settings import MAX_DECLINE_MARGIN_SECONDS
from oracle.request.decision import (
    MAX_LEAD_SECONDS,
    MIN_DECLINE_MARGIN_SECONDS,
    Decline,
    Done,
    Facts,
    Refund,
    Settle,
    Timing,
    Wait,
    Work,
    decide,
)
from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.protocol.identifiers import ModelId, RequestId, ShardId

PRIMARY, SECOND, STRANGER = ShardId(7), ShardId(8), ShardId(9)
TIMING = Timing(decline_margin=15, refund_grace=30)
GENUINE_MARGINS = range(MIN_DECLINE_MARGIN_SECONDS, MAX_DECLINE_MARGIN_SECONDS + 1)
SETTLING_SECONDS = 20
"""From an answer's end to the block that holds its settlement."""


def request(
    status: RequestStatus = RequestStatus.OPEN, recipients: tuple[ShardId, ...] = (PRIMARY, SECOND)
) -> Request:
    return Request(
        request_id=RequestId(1),
        status=status,
        requester="0x0000000000000000000000000000000000001234",
        model_id=ModelId(1),
        opened_at=1_000,
        deadline=1_100,
        max_input_tokens=10,
        max_output_tokens=10,
        input_price=1,
        output_price=2,
        deposit=30,
        recipients=recipients,
        nonce_prefix=bytes(4),
    )


def facts(now: int, shard_id: ShardId = PRIMARY, **known: object) -> Facts:
    return replace(Facts(now=now, shard_id=shard_id), **known)  # type: ignore[arg-type]


ENDS = [status for status in RequestStatus if status is not RequestStatus.OPEN]


@pytest.mark.parametrize("status", ENDS, ids=[status.name for status in ENDS])
def test_decide__request_has_ended__is_done(status: RequestStatus) -> None:
    assert decide(request(status), facts(1_050, answered=True), TIMING) == Done(status)


def test_decide__request_is_for_others__is_done() -> None:
    assert decide(request(), facts(1_050, STRANGER), TIMING) == Done(RequestStatus.OPEN)


@pytest.mark.parametrize(
    ("shard_id", "now", "expected"),
    [
        pytest.param(PRIMARY, 1_000, Work(give_up_at=1_085), id="primary, at once"),
        pytest.param(SECOND, 1_049, Wait(until=1_050), id="second, one second early"),
        pytest.param(SECOND, 1_050, Wait(until=1_095), id="second, too late to begin"),
        pytest.param(PRIMARY, 1_084, Work(give_up_at=1_085), id="last second for work"),
        pytest.param(PRIMARY, 1_085, Decline(DeclineReason.OVERLOADED), id="too little time"),
        pytest.param(PRIMARY, 1_100, Decline(DeclineReason.OVERLOADED), id="last second"),
        pytest.param(PRIMARY, 1_101, Wait(until=1_131), id="after the deadline, primary"),
        pytest.param(PRIMARY, 1_131, Refund(), id="grace is over, primary"),
        pytest.param(SECOND, 1_131, Wait(until=1_161), id="grace is over, second waits"),
        pytest.param(SECOND, 1_161, Refund(), id="grace is over, second"),
    ],
)
def test_decide__no_outcome_yet__follows_the_clock(
    shard_id: ShardId, now: int, expected: object
) -> None:
    assert decide(request(), facts(now, shard_id), TIMING) == expected


def test_decide__time_ran_out_for_lack_of_a_path__says_so() -> None:
    known = facts(1_090, last_failure=DeclineReason.NO_PATH)
    assert decide(request(), known, TIMING) == Decline(DeclineReason.NO_PATH)


@pytest.mark.parametrize("now", [1_000, 1_090, 1_100])
def test_decide__answered__settles_until_the_deadline(now: int) -> None:
    assert decide(request(), facts(now, answered=True), TIMING) == Settle()


def test_decide__answer_is_refused_by_the_escrow__declines_only_when_time_runs_out() -> None:
    early = facts(1_084, answered=True, rejected=True)
    late = facts(1_085, answered=True, rejected=True)
    assert decide(request(), early, TIMING) == Settle()
    assert decide(request(), late, TIMING) == Decline(DeclineReason.NO_PATH)


def test_decide__prompt_is_at_fault__declines_at_once_for_all() -> None:
    known = facts(1_001, refused=DeclineReason.INVALID)
    assert decide(request(), known, TIMING) == Decline(DeclineReason.INVALID)


def test_b3__prompt_is_at_fault_but_the_second_may_have_begun__waits_for_the_last_moment() -> None:
    """It used to end the second one's stream, also where the requester had made it invalid for the
    primary alone.
    """
    before = facts(1_049, refused=DeclineReason.INVALID)
    at_turn = facts(1_050, refused=DeclineReason.INVALID)
    assert decide(request(), before, TIMING) == Decline(DeclineReason.INVALID)
    assert decide(request(), at_turn, TIMING) == Wait(until=1_085)


def long_request() -> Request:
    return replace(request(), deadline=4_600)


def test_b1__second_recipient__begins_in_its_second_and_gives_up_before_any_decline() -> None:
    assert decide(long_request(), facts(2_799, SECOND), TIMING) == Wait(until=2_800)
    assert decide(long_request(), facts(2_800, SECOND), TIMING) == Work(give_up_at=4_540)


@pytest.mark.parametrize("others", GENUINE_MARGINS)
@pytest.mark.parametrize("margin", GENUINE_MARGINS)
def test_b2__any_margins_of_two_hosts__neither_declines_while_the_other_may_be_at_work(
    margin: int, others: int
) -> None:
    """A margin of a day used to end the other one's stream in the middle."""
    one, other = Timing(margin, refund_grace=30), Timing(others, refund_grace=30)
    subject = long_request()
    earliest = replace(facts(4_000, refused=DeclineReason.OVERLOADED), last_call=0)
    late = decide(subject, replace(earliest, last_call=subject.deadline - one.max_lead), one)
    assert isinstance(late, Wait)
    assert late.until - other.give_up_at(subject, 1) >= SETTLING_SECONDS
    last_word = decide(subject, facts(4_000, SECOND, refused=DeclineReason.UNREADABLE), one)
    assert isinstance(last_word, Wait)
    assert last_word.until - other.give_up_at(subject, 0) >= 5
    assert one.max_lead == MAX_LEAD_SECONDS


NOT_INVALID = [reason for reason in DeclineReason if reason is not DeclineReason.INVALID]


@pytest.mark.parametrize("reason", NOT_INVALID, ids=lambda reason: reason.name)
def test_h5__primary_cannot_answer_and_others_follow__waits_for_them(reason: DeclineReason) -> None:
    early, late = facts(1_001, refused=reason), facts(1_085, refused=reason)
    assert decide(request(), early, TIMING) == Wait(until=1_085)
    assert decide(request(), late, TIMING) == Decline(reason)


@pytest.mark.parametrize("reason", DeclineReason, ids=lambda reason: reason.name)
def test_h5__second_cannot_open_it__leaves_the_first_its_whole_time(reason: DeclineReason) -> None:
    """It used to decline at its turn, while the first one was streaming."""
    in_turn, last = facts(1_050, SECOND, refused=reason), facts(1_085, SECOND, refused=reason)
    late = facts(1_095, SECOND, refused=reason)
    assert decide(request(), in_turn, TIMING) == Wait(until=1_095)
    assert decide(request(), last, TIMING) == Wait(until=1_095)
    assert decide(request(), late, TIMING) == Decline(reason)


def test_h5__second_runs_out_of_time__leaves_the_first_its_whole_time() -> None:
    assert decide(request(), facts(1_085, SECOND), TIMING) == Wait(until=1_095)
    rejected = facts(1_094, SECOND, answered=True, rejected=True)
    assert decide(request(), rejected, TIMING) == Settle()


@pytest.mark.parametrize("reason", DeclineReason, ids=lambda reason: reason.name)
def test_decide__only_recipient_cannot_answer__declines_at_once(reason: DeclineReason) -> None:
    alone = request(recipients=(PRIMARY,))
    assert decide(alone, facts(1_001, refused=reason), TIMING) == Decline(reason)


@given(
    count=st.integers(1, 4),
    place=st.integers(0, 3),
    now=st.integers(900, 2_000),
    window=st.integers(1, 500),
    answered=st.booleans(),
    rejected=st.booleans(),
    refused=st.none() | st.sampled_from(DeclineReason),
    margin=st.integers(1, 60),
)
def test_decide__whatever_is_known__never_acts_out_of_its_time(
    count: int,
    place: int,
    now: int,
    window: int,
    answered: bool,
    rejected: bool,
    refused: DeclineReason | None,
    margin: int,
) -> None:
    """The escrow's own bounds: no decline before the turn, none after the deadline, no early
    refund.
    """
    place %= count
    recipients = tuple(ShardId(number) for number in range(1, count + 1))
    subject = replace(request(recipients=recipients), deadline=1_000 + window)
    known = Facts(now, recipients[place], answered, rejected, refused)
    step = decide(subject, known, Timing(decline_margin=margin, refund_grace=30))
    match step:
        case Decline():
            # An answered request is declined only after a refusal, which had its turn before.
            assert answered or now >= subject.takeover_at(place)
            assert now <= subject.deadline
        case Settle():
            assert now <= subject.deadline
        case Work(give_up_at):
            assert subject.takeover_at(place) <= now < give_up_at <= subject.deadline
        case Refund():
            assert now > subject.deadline
        case Wait(until):
            assert until > now
        case Done():
            pytest.fail("an open request of this shard was dropped")
