# SPDX-License-Identifier: Apache-2.0
"""How `teetee verify` groups its checks.

given the report of a settled request
    when its checks are counted by topic
        it should put only the request's own checks under the topic that is left over
"""

from __future__ import annotations

from teetee.cli.output.verification_view import topic_of
from teetee.client.verification.outcome_checks import verify_settled
from tests.teetee.client.evidence_factory import make_evidence


def test_topic_of__settled_request__leaves_over_the_requests_own_checks() -> None:
    evidence = make_evidence()
    report = verify_settled(
        evidence.context,
        evidence.request,
        evidence.model,
        evidence.settlement,
        evidence.enrolments,
        evidence.quotes,
    )
    left_over = {check.name for check in report.checks if topic_of(check.name) == "request"}
    assert left_over == {"request", "recipient", "deadline"}
