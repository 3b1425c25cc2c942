# SPDX-License-Identifier: Apache-2.0
"""`teetee verify`: one request, re-checked from the chain."""

from __future__ import annotations

from teetee.chain.types.requests import Declined, Refunded, Request, Settled
from teetee.client.contracts import Contracts
from teetee.client.verification.collect import Collector, model_evidence
from teetee.client.verification.endings import (
    Place,
    audit_declined,
    audit_open,
    audit_refunded,
    audit_settled,
    audit_unattested,
)
from teetee.client.verification.enrolments import QuoteChecker
from teetee.client.verification.evidence import RequestEvidence
from teetee.client.verification.report import AuditReport
from teetee.protocol.identifiers import RequestId


class Auditor:
    """Audits requests of one escrow."""

    def __init__(self, contracts: Contracts, quotes: QuoteChecker) -> None:
        self._contracts = contracts
        self._quotes = quotes
        self._collector = Collector(contracts)

    def audit(self, request_id: RequestId) -> AuditReport:
        """The report; a failed check is part of it, and only an unreadable chain is an error.

        Raises `UnknownRequest` and the chain's other errors.
        """
        contracts = self._contracts
        stored = contracts.escrow.request_of(request_id)
        request = self._collector.request(stored)
        ended = contracts.history.ended(stored)
        if isinstance(ended, Settled):
            return self._settled(stored, request, ended)
        if isinstance(ended, Declined):
            return audit_declined(request, self._collector.decline(ended))
        if isinstance(ended, Refunded):
            penalty = contracts.escrow.terms().penalty
            return audit_refunded(request, self._collector.refund(ended), penalty)
        return audit_open(request, contracts.connection.head().timestamp)

    def _settled(self, stored: Request, request: RequestEvidence, settled: Settled) -> AuditReport:
        contracts = self._contracts
        settlement = self._collector.settlement(settled)
        enrolments, missing = self._collector.enrolments(settlement)
        if missing:
            return audit_unattested(request, settlement, missing)
        model = model_evidence(contracts.registry.model(stored.model_id))
        place = Place(
            chain_id=contracts.deployment.chain_id,
            escrow=contracts.deployment.escrow,
            registry=contracts.deployment.registry,
            fee_bps=contracts.escrow.terms().fee_bps,
        )
        return audit_settled(place, request, model, settlement, enrolments, self._quotes)
