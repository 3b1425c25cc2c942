# SPDX-License-Identifier: Apache-2.0
"""Verifies a request by the way it ended. Pure except for the quote checker: evidence in, report
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from teetee.chain.trusted_models import TrustedModel
from teetee.client.amounts import round_amount
from teetee.client.times import format_seconds, format_time
from teetee.client.verification import money_checks, receipt_checks
from teetee.client.verification.checklist import Checklist
from teetee.client.verification.enrolment_checks import (
    QuoteChecker,
    check_identity,
    check_image,
    check_model,
    check_platform_status,
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
from teetee.protocol.typed_data import escrow_domain


@dataclass(frozen=True)
class SettlementContext:
    """The contracts that a settlement belongs to, the escrow's fee, and what the wallet trusts."""

    chain_id: int
    escrow: str
    registry: str
    fee_bps: int
    trusted: TrustedModel | None
    """The model, as the deployment file names it."""


def verify_settled(
    context: SettlementContext,
    request: RequestEvidence,
    model: ModelEvidence,
    settlement: SettlementEvidence,
    enrolments: Mapping[int, EnrolmentEvidence],
    quotes: QuoteChecker,
) -> VerificationReport:
    """Check an answered request in full.

    `enrolments` has every shard of the settlement's stages; if one is missing, use
    `verify_unattested`.
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
    """Report a settled request for which a stage's attestation cannot be read: not verified."""
    checks = Checklist()
    check_announcement(checks, request)
    for shard_id, reason in missing.items():
        checks.expect(f"enrolment of shard {shard_id}", False, "", reason)
    return _settled_report(request, checks, settlement)


def verify_declined(request: RequestEvidence, decline: DeclineEvidence) -> VerificationReport:
    """Check that a recipient declined before the deadline and the whole deposit was refunded."""
    checks = Checklist()
    check_announcement(checks, request)
    money_checks.check_deposit(checks, request)
    checks.expect(
        "declined by a recipient",
        decline.shard_id in request.recipients,
        f"shard {decline.shard_id}, reason {decline.reason}",
        f"shard {decline.shard_id} is not one of the recipients {list(request.recipients)}",
    )
    checks.expect(
        "deadline",
        request.opened_at <= decline.block_time <= request.deadline,
        f"declined at {format_time(decline.block_time)}, after "
        f"{format_seconds(max(0, decline.block_time - request.opened_at))}",
        f"declined at {format_time(decline.block_time)}, opened at "
        f"{format_time(request.opened_at)}, deadline {format_time(request.deadline)}",
    )
    _check_full_refund(checks, request, decline.amount)
    report = _report(request, checks)
    return replace(report, refund=decline.amount, transaction=decline.transaction)


def verify_refunded(
    request: RequestEvidence, refund: RefundEvidence, penalty: int
) -> VerificationReport:
    """Check that the whole deposit was refunded after the deadline, and a penalty of at most the
    escrow's `penalty` (wei) was added.
    """
    checks = Checklist()
    check_announcement(checks, request)
    money_checks.check_deposit(checks, request)
    checks.expect(
        "deadline",
        refund.block_time > request.deadline,
        f"refunded at {format_time(refund.block_time)}, after the deadline "
        f"{format_time(request.deadline)}",
        f"refunded at {format_time(refund.block_time)}, before the deadline "
        f"{format_time(request.deadline)}",
    )
    _check_full_refund(checks, request, refund.amount)
    # A bond may hold less than the penalty; a request on an allowance has no penalty.
    max_penalty = penalty if request.deposit else 0
    checks.expect(
        "penalty",
        0 <= refund.penalty <= max_penalty,
        f"{round_amount(refund.penalty)} from the primary entry's bond, of at most "
        f"{round_amount(max_penalty)}",
        f"{refund.penalty} wei were paid, and the maximum is {max_penalty} wei",
    )
    return replace(
        _report(request, checks),
        refund=refund.amount,
        penalty=refund.penalty,
        transaction=refund.transaction,
    )


def verify_open(request: RequestEvidence, now: int) -> VerificationReport:
    """Report an open request: not verified, because it has not ended."""
    checks = Checklist()
    check_announcement(checks, request)
    money_checks.check_deposit(checks, request)
    until = f"its deadline {format_time(request.deadline)}"
    if now <= request.deadline:
        state = f"still open, {format_seconds(request.deadline - now)} before {until}"
    else:
        state = (
            f"still open, {format_seconds(now - request.deadline)} after {until}: anyone may "
            f"refund it (`teetee resume {request.request_id}` for the requester)"
        )
    checks.expect("ended", False, "", state)
    return _report(request, checks)


def check_announcement(checks: Checklist, request: RequestEvidence) -> None:
    """The RequestOpened event agrees with contract state."""
    checks.expect(
        "request",
        not request.event_differences,
        f"opened by {request.requester} for model {request.model_id}",
        f"event and contract state differ in {', '.join(request.event_differences)}",
    )


def _check_full_refund(checks: Checklist, request: RequestEvidence, amount: int) -> None:
    good = round_amount(request.deposit)
    checks.equal("refund", amount, request.deposit, good, " wei")


def _check_signatures(
    checks: Checklist,
    context: SettlementContext,
    request: RequestEvidence,
    settlement: SettlementEvidence,
    enrolments: Mapping[int, EnrolmentEvidence],
) -> None:
    domain = escrow_domain(context.chain_id, context.escrow)
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
    check_model(checks, model, context.trusted)
    for enrolment in path:
        check_image(checks, enrolment, context.trusted, allow_withdrawn=True)
        check_identity(checks, context.chain_id, context.registry, enrolment)
        check_time(checks, enrolment, settlement.block_time)
        check_weights(checks, model, enrolment)
        check_platform_status(checks, enrolment)
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
    earlier_shards = receipt_checks.check_history(checks, settlement.answer)
    return replace(
        _report(request, checks),
        earlier_shards=earlier_shards,
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
