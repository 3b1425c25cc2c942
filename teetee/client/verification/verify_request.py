# SPDX-License-Identifier: Apache-2.0
"""`teetee verify`: one request, verified from what the chain holds."""

from __future__ import annotations

from dataclasses import dataclass

from teetee.chain.types.requests import (
    Request,
    RequestDeclined,
    RequestEnd,
    RequestOpened,
    RequestRefunded,
    RequestSettled,
    RequestStatus,
)
from teetee.client.contracts import Contracts
from teetee.client.verification.attestation_lookup import AttestationLookup
from teetee.client.verification.enrolment_checks import QuoteChecker
from teetee.client.verification.evidence import RequestEvidence
from teetee.client.verification.evidence_reader import EvidenceReader, model_evidence
from teetee.client.verification.outcome_checks import (
    SettlementContext,
    verify_declined,
    verify_open,
    verify_refunded,
    verify_settled,
    verify_unattested,
)
from teetee.client.verification.report import VerificationReport
from teetee.protocol.identifiers import RequestId


@dataclass(frozen=True)
class KnownEvents:
    """Events of a request that this process has read. None: not read yet."""

    opened: RequestOpened | None = None
    ended: RequestEnd | None = None


def verify_request(
    request_id: RequestId,
    contracts: Contracts,
    quotes: QuoteChecker,
    *,
    attestations: AttestationLookup | None = None,
    known: KnownEvents | None = None,
) -> VerificationReport:
    """Check everything about a request; failed checks are part of the report.

    `attestations` and `known`: what is not read again. Raises `UnknownRequest`, and the chain's
    errors if it cannot be read.
    """
    reader, known = EvidenceReader(contracts, attestations), known or KnownEvents()
    stored = contracts.escrow.request_of(request_id)
    request = reader.request(stored, known.opened)
    has_ended = stored.status is not RequestStatus.OPEN
    ended = (known.ended or contracts.history.ended(stored)) if has_ended else None
    if isinstance(ended, RequestSettled):
        return _verify_settled(stored, request, ended, contracts, reader, quotes)
    if isinstance(ended, RequestDeclined):
        return verify_declined(request, reader.decline(ended))
    if isinstance(ended, RequestRefunded):
        return verify_refunded(request, reader.refund(ended), contracts.escrow.terms().penalty)
    return verify_open(request, contracts.connection.head().timestamp)


def _verify_settled(
    stored: Request,
    request: RequestEvidence,
    settled: RequestSettled,
    contracts: Contracts,
    reader: EvidenceReader,
    quotes: QuoteChecker,
) -> VerificationReport:
    settlement = reader.settlement(settled)
    enrolments, missing = reader.enrolments(settlement)
    if missing:
        return verify_unattested(request, settlement, missing)
    model = model_evidence(contracts.registry.model(stored.model_id))
    context = SettlementContext(
        chain_id=contracts.deployment.chain_id,
        escrow=contracts.deployment.escrow,
        registry=contracts.deployment.registry,
        fee_bps=contracts.escrow.terms().fee_bps,
        trusted=contracts.deployment.trusted_model(stored.model_id),
    )
    return verify_settled(context, request, model, settlement, enrolments, quotes)
