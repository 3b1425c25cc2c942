# SPDX-License-Identifier: Apache-2.0
"""Checks a shard before a prompt is sealed: identity, attestation, weights, quote."""

from __future__ import annotations

from teetee.chain.types.blocks import Block
from teetee.chain.types.models import Model
from teetee.chain.types.shards import Shard
from teetee.client.contracts import Contracts
from teetee.client.errors import ShardRefused, ShardUncheckable
from teetee.client.verification.attestation_lookup import AttestationLookup
from teetee.client.verification.checklist import Checklist
from teetee.client.verification.enrolment_checks import (
    QuoteChecker,
    check_identity,
    check_platform_status,
    check_quote,
    check_time,
    check_weights,
)
from teetee.client.verification.evidence_reader import model_evidence


class ShardCheck:
    """Checks shards of one registry. `quotes` None: trust the chain's own check of the quote."""

    def __init__(self, contracts: Contracts, quotes: QuoteChecker | None) -> None:
        self._contracts = contracts
        self._quotes = quotes
        self._attestations = AttestationLookup(contracts)

    def require_fit(self, shard: Shard, model: Model, at: Block) -> str:
        """Return the TCB status; empty if quotes are not checked.

        Raises `ShardRefused`, `ShardUncheckable`, and the chain's errors.
        """
        enrolment = self._attestations.find_enrolment(shard.shard_id, shard.quote_hash, at.number)
        deployment = self._contracts.deployment
        checks = Checklist()
        check_identity(checks, deployment.chain_id, deployment.registry, enrolment)
        check_time(checks, enrolment, at.timestamp)
        check_weights(checks, model_evidence(model), enrolment)
        check_platform_status(checks, enrolment)
        status = ""
        if self._quotes is not None:
            status = check_quote(checks, enrolment, shard.quote_hash, self._quotes, at.timestamp)
        if checks.failures:
            reasons = "; ".join(f"{check.name}: {check.detail}" for check in checks.failures)
            refusal = ShardUncheckable if checks.is_retryable else ShardRefused
            raise refusal(shard.shard_id, reasons)
        return status
