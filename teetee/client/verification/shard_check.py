# SPDX-License-Identifier: Apache-2.0
"""Checks a shard before a prompt is sealed: image, identity, attestation, weights, quote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

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
    check_image,
    check_model,
    check_platform_status,
    check_quote,
    check_time,
    check_weights,
)
from teetee.client.verification.evidence import EnrolmentEvidence
from teetee.client.verification.evidence_reader import model_evidence
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId

OnShard = Callable[[int, int, int], None]
"""Called before a shard is checked, with its id, its position from 1, and the number of shards."""


@dataclass(frozen=True)
class CheckedShards:
    """Which of several shards passed, and why the others did not."""

    fit: tuple[Shard, ...]
    tcb_statuses: dict[int, str]
    """Of those, by id; empty ones if quotes are not checked."""
    problems: dict[ShardId, TeeTeeError]


class ShardCheck:
    """Checks shards of one registry. `quotes` None: trust the chain's own check of the quote."""

    def __init__(
        self, contracts: Contracts, quotes: QuoteChecker | None, attestations: AttestationLookup
    ) -> None:
        self._contracts = contracts
        self._quotes = quotes
        self._attestations = attestations

    def check_shards(
        self, shards: Sequence[Shard], model: Model, at: Block, on_shard: OnShard
    ) -> CheckedShards:
        """Check active shards that were read at block `at`, each by itself.

        Raises errors of the whole chain.
        """
        enrolments, problems = self._attestations.current_enrolments(shards, at)
        if self._quotes is not None:
            self._read_certificates(shards)
        fit: list[Shard] = []
        statuses: dict[int, str] = {}
        for position, shard in enumerate(shards, start=1):
            if shard.shard_id in problems:
                continue
            on_shard(int(shard.shard_id), position, len(shards))
            try:
                status = self._check(shard, enrolments[shard.shard_id], model, at)
            except (ShardRefused, ShardUncheckable) as refusal:
                problems[shard.shard_id] = refusal
                continue
            fit.append(shard)
            statuses[int(shard.shard_id)] = status
        return CheckedShards(tuple(fit), statuses, problems)

    def _read_certificates(self, shards: Sequence[Shard]) -> None:
        """Together; a chain that cannot be read is reported by the check that needs it."""
        with suppress(TeeTeeError):
            self._contracts.certificates.read_chains([shard.pck_id for shard in shards])

    def _check(self, shard: Shard, enrolment: EnrolmentEvidence, model: Model, at: Block) -> str:
        """Raises `ShardRefused`, `ShardUncheckable`."""
        deployment = self._contracts.deployment
        checks, evidence = Checklist(), model_evidence(model)
        trusted = deployment.trusted_model(model.model_id)
        check_model(checks, evidence, trusted)
        check_image(checks, enrolment, trusted)
        check_identity(checks, deployment.chain_id, deployment.registry, enrolment)
        check_time(checks, enrolment, at.timestamp)
        check_weights(checks, evidence, enrolment)
        check_platform_status(checks, enrolment)
        status = ""
        if self._quotes is not None:
            status = check_quote(checks, enrolment, shard.quote_hash, self._quotes, at.timestamp)
        if checks.failures:
            reasons = "; ".join(f"{check.name}: {check.detail}" for check in checks.failures)
            refusal = ShardUncheckable if checks.is_retryable else ShardRefused
            raise refusal(shard.shard_id, reasons)
        return status
