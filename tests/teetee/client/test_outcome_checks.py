# SPDX-License-Identifier: Apache-2.0
"""The verification of requests without an answer.

given a declined or refunded request
    when nothing is wrong
        it should be verified, with the whole deposit back
    when one thing is wrong
        it should fail the check of that name
given an open request, or a settled one whose shards' attestations cannot be read
    when it is verified
        it should not be verified
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from teetee.client.verification.evidence import DeclineEvidence, RefundEvidence
from teetee.client.verification.outcome_checks import (
    verify_declined,
    verify_open,
    verify_refunded,
    verify_unattested,
)
from teetee.client.verification.report import VerificationReport
from tests.teetee.client.evidence_factory import OPENED_AT, make_evidence, make_request

PENALTY = 50
REQUEST = make_request()
DECLINE = DeclineEvidence("0xab", OPENED_AT + 10, 10, "OVERLOADED", REQUEST.deposit)
REFUND = RefundEvidence("0xab", REQUEST.deadline + 1, REQUEST.deposit, PENALTY)


def failed(report: VerificationReport) -> set[str]:
    return {check.name for check in report.failures}


def test_verify_declined__in_time_by_a_recipient__verifies() -> None:
    report = verify_declined(replace(REQUEST, status="DECLINED"), DECLINE)
    assert report.verified
    assert report.sums_up
    assert report.to_json()["refund"] == str(REQUEST.deposit)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"shard_id": 11}, "declined by a recipient"),
        ({"block_time": REQUEST.deadline + 1}, "deadline"),
        ({"block_time": OPENED_AT - 1}, "deadline"),
        ({"amount": REQUEST.deposit - 1}, "refund"),
    ],
)
def test_verify_declined__one_thing_wrong__fails_that_check(
    changes: dict[str, Any], name: str
) -> None:
    assert failed(verify_declined(REQUEST, replace(DECLINE, **changes))) == {name}


def test_verify_refunded__after_the_deadline__verifies() -> None:
    report = verify_refunded(replace(REQUEST, status="REFUNDED"), REFUND, PENALTY)
    assert report.verified
    assert report.sums_up
    assert report.penalty == PENALTY


def test_verify_refunded__bond_was_smaller__verifies() -> None:
    assert verify_refunded(REQUEST, replace(REFUND, penalty=3), PENALTY).verified


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"block_time": REQUEST.deadline}, "deadline"),
        ({"amount": REQUEST.deposit + 1}, "refund"),
        ({"penalty": PENALTY + 1}, "penalty"),
    ],
)
def test_verify_refunded__one_thing_wrong__fails_that_check(
    changes: dict[str, Any], name: str
) -> None:
    assert failed(verify_refunded(REQUEST, replace(REFUND, **changes), PENALTY)) == {name}


def test_verify_refunded__request_on_an_allowance__has_no_penalty() -> None:
    free = replace(REQUEST, deposit=0, input_price=0, output_price=0)
    assert verify_refunded(free, replace(REFUND, amount=0, penalty=0), PENALTY).verified
    assert failed(verify_refunded(free, replace(REFUND, amount=0), PENALTY)) == {"penalty"}


@pytest.mark.parametrize("event", ["declined", "refunded"])
def test_verify__event_differs_from_state__fails_request(event: str) -> None:
    request = replace(REQUEST, event_differences=("requester",))
    report = (
        verify_declined(request, DECLINE)
        if event == "declined"
        else verify_refunded(request, REFUND, PENALTY)
    )
    assert failed(report) == {"request"}


@pytest.mark.parametrize(
    ("now", "words"),
    [(REQUEST.deadline, "before its deadline"), (REQUEST.deadline + 5, "anyone may refund")],
)
def test_verify_open__any_time__is_not_verified(now: int, words: str) -> None:
    report = verify_open(replace(REQUEST, status="OPEN"), now)
    assert failed(report) == {"ended"}
    assert words in report.failures[0].detail


def test_verify_unattested__attestation_missing__names_the_shard() -> None:
    evidence = make_evidence()
    report = verify_unattested(evidence.request, evidence.settlement, {11: "no such event"})
    assert failed(report) == {"enrolment of shard 11"}
    assert not report.verified
