# SPDX-License-Identifier: Apache-2.0
"""Verifies a request by the way it ended. Pure except for the quote checker: evidence in, report
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from teetee.client.amounts import format_amount
from teetee.client.verification import money_checks, receipt_checks
from teetee.client.verification.checklist import Checklist
from teetee.client.verification.enrolment_checks import (
    QuoteChecker,
    check_chain_verdict,
    check_identity,
    check_quote,
    check_time,
    check_weights,
)
from teetee.client.verification.evidence import (
    DeclineEvidence,
    EnrolmentEvidence,
    ModelEvidence,
    RefundEvidence,
    RequestEvidence,
    SettlementEvidence,
)
from teetee.client.verification.report import PathStage, VerificationReport
from teetee.protocol.receipts import ReceiptDomain


@dataclass(frozen=True)
class SettlementContext:
    """The contracts that a settlement belongs to, and the escrow's fee."""

    chain_id: int
    escrow: str
    registry: str
    fee_bps: int


def verify_settled(
    context: SettlementContext,
    request: RequestEvidence,
    model: ModelEvidence,
    settlement: SettlementEvidence,
    enrolments: Mapping[int, EnrolmentEvidence],
    quotes: QuoteChecker,
) -> VerificationReport:
    """Everything that `teetee verify` promises of an answered request.

    `enrolments` has every shard of the settlement's stages; see `verify_unattested` for when not.
    """
    checks = Checklist()
    check_announcement(checks, request)
    path = [enrolments[stage.shard_id] for stage in settlement.stages]
    receipt_checks.check_path(checks, len(model.layer_digests), path, request.model_id)
    if path:
        _check_signatures(checks, context, request, settlement, enrolments)
    statuses = _check_stages(checks, context, model, settlement, path, quotes)
    money_checks.check_deposit(checks, request)
    if path:
        expected = money_checks.expected_split(request, settlement, model, path, context.fee_bps)
        money_checks.check_split(checks, settlement, path, expected)
    report = _settled_report(request, checks, settlement)
    return replace(report, path=_path_stages(settlement, path, statuses))


def verify_unattested(
    request: RequestEvidence, settlement: SettlementEvidence, missing: Mapping[int, str]
) -> VerificationReport:
    """A settled request of which some stage's attestation is not to be had: nothing else counts."""
    checks = Checklist()
    check_announcement(checks, request)
    for shard_id, reason in missing.items():
        checks.expect(f"enrolment of shard {shard_id}", False, "", reason)
    return _settled_report(request, checks, settlement)


def verify_declined(request: RequestEvidence, decline: DeclineEvidence) -> VerificationReport:
    """Everything came back, by a recipient's word, before the deadline."""
    checks = Checklist()
    check_announcement(checks, request)
    money_checks.check_deposit(checks, request)
    checks.expect(
        "declined by a recipient",
        decline.shard_id in request.recipients,
        f"shard {decline.shard_id}, reason {decline.reason}",
        f"shard {decline.shard_id} is not among {list(request.recipients)}",
    )
    checks.expect(
        "deadline",
        request.opened_at <= decline.block_time <= request.deadline,
        f"{decline.block_time - request.opened_at} s after it was asked",
        f"declined at {decline.block_time}, the deadline was {request.deadline}",
    )
    checks.equal("refund", decline.amount, request.deposit, format_amount(request.deposit))
    report = _report(request, checks)
    return replace(report, refund=decline.amount, transaction=decline.transaction)


def verify_refunded(
    request: RequestEvidence, refund: RefundEvidence, penalty: int
) -> VerificationReport:
    """Everything came back after the deadline, with at most the escrow's `penalty` on top."""
    checks = Checklist()
    check_announcement(checks, request)
    money_checks.check_deposit(checks, request)
    checks.expect(
        "deadline",
        refund.block_time > request.deadline,
        f"{refund.block_time - request.deadline} s after the deadline",
        f"refunded at {refund.block_time}, before the deadline {request.deadline}",
    )
    checks.equal("refund", refund.amount, request.deposit, format_amount(request.deposit))
    # A bond may hold less than the penalty, and a request on an allowance has none.
    most = penalty if request.deposit else 0
    checks.expect(
        "penalty",
        0 <= refund.penalty <= most,
        f"{format_amount(refund.penalty)} from the primary's bond, of {format_amount(most)}",
        f"{refund.penalty} wei were paid, and the most is {most} wei",
    )
    return replace(
        _report(request, checks),
        refund=refund.amount,
        penalty=refund.penalty,
        transaction=refund.transaction,
    )


def verify_open(request: RequestEvidence, now: int) -> VerificationReport:
    """Nothing has ended yet: there is nothing to verify, and so it is not verified."""
    checks = Checklist()
    check_announcement(checks, request)
    money_checks.check_deposit(checks, request)
    left = request.deadline - now
    waiting = f"still open, {left} s before its deadline"
    late = f"still open, {-left} s after its deadline: anyone may refund it (`teetee resume`)"
    checks.expect("ended", False, "", waiting if left >= 0 else late)
    return _report(request, checks)


def check_announcement(checks: Checklist, request: RequestEvidence) -> None:
    """The event says what the contract stored."""
    checks.expect(
        "request",
        not request.announced_otherwise,
        f"asked by {request.requester} of model {request.model_id}",
        f"its event and contract state differ in {', '.join(request.announced_otherwise)}",
    )


def _check_signatures(
    checks: Checklist,
    context: SettlementContext,
    request: RequestEvidence,
    settlement: SettlementEvidence,
    enrolments: Mapping[int, EnrolmentEvidence],
) -> None:
    domain = ReceiptDomain(context.chain_id, context.escrow)
    with checks.attempt("receipts"):
        rebuilt = receipt_checks.rebuild_receipts(request, settlement, enrolments)
        receipt_checks.check_receipts(checks, domain, rebuilt, enrolments)
        entry = enrolments[settlement.stages[0].shard_id]
        receipt_checks.check_settlement(checks, domain, request, settlement, rebuilt, entry)


def _check_stages(
    checks: Checklist,
    context: SettlementContext,
    model: ModelEvidence,
    settlement: SettlementEvidence,
    path: list[EnrolmentEvidence],
    quotes: QuoteChecker,
) -> dict[int, str]:
    settled = {share.shard_id: share.quote_hash for share in settlement.shares}
    statuses = {}
    for enrolment in path:
        check_identity(checks, context.chain_id, context.registry, enrolment)
        check_time(checks, enrolment, settlement.block_time)
        check_weights(checks, model, enrolment)
        check_chain_verdict(checks, enrolment)
        statuses[enrolment.shard_id] = check_quote(
            checks,
            enrolment,
            settled.get(enrolment.shard_id, b""),
            quotes,
            settlement.block_time,
        )
    return statuses


def _report(request: RequestEvidence, checks: Checklist) -> VerificationReport:
    return VerificationReport(
        request_id=request.request_id,
        status=request.status,
        checks=tuple(checks.checks),
        deposit=request.deposit,
    )


def _settled_report(
    request: RequestEvidence, checks: Checklist, settlement: SettlementEvidence
) -> VerificationReport:
    return replace(
        _report(request, checks),
        cost=settlement.cost,
        fee=settlement.fee,
        royalty=settlement.royalty,
        refund=settlement.refund,
        transaction=settlement.transaction,
    )


def _path_stages(
    settlement: SettlementEvidence, path: list[EnrolmentEvidence], statuses: Mapping[int, str]
) -> tuple[PathStage, ...]:
    amounts = {share.shard_id: share.amount for share in settlement.shares}
    return tuple(
        PathStage(
            shard_id=each.shard_id,
            layers=each.layers,
            host=each.host,
            signer=each.signer,
            quote_hash=each.quote_hash,
            tcb_status=statuses[each.shard_id],
            payout=amounts.get(each.shard_id, 0),
        )
        for each in path
    )
