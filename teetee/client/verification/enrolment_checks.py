# SPDX-License-Identifier: Apache-2.0
"""Checks one stage's enrolment: identity, weights, quote, and that it was attested at the time."""

from __future__ import annotations

from typing import Protocol

from teetee.chain.trusted_models import TrustedModel
from teetee.client.times import format_time
from teetee.client.verification.checklist import Checklist
from teetee.client.verification.evidence import EnrolmentEvidence, ModelEvidence
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import EnclaveIdentity, Keyset, report_data
from teetee.protocol.typed_data import keccak256
from teetee.quotes.claims import quote_hash


class QuoteFacts(Protocol):
    """The facts of an accepted quote."""

    @property
    def tcb_status(self) -> str:
        """Intel's name for the platform's patch level."""

    @property
    def report_data(self) -> bytes:
        """64 bytes."""

    @property
    def measurement(self) -> bytes:
        """32 bytes, see docs/protocol.md section 3."""

    @property
    def basis(self) -> str:
        """The collateral and the time that the quote was checked by, for people."""


class QuoteChecker(Protocol):
    """Checks quotes by the certificates on chain and Intel's collateral."""

    def check(self, core: bytes, pck_id: bytes, at: int) -> QuoteFacts:
        """Rebuild the quote and verify it as of Unix time `at`, or raise a `TeeTeeError`."""


def identity_of(chain_id: int, registry: str, enrolment: EnrolmentEvidence) -> EnclaveIdentity:
    """Build the identity from the enrolment's public data."""
    return EnclaveIdentity(
        chain_id=chain_id,
        registry=registry,
        host=enrolment.host,
        model_id=ModelId(enrolment.model_id),
        layers=enrolment.layers,
        is_entry=enrolment.is_entry,
        slice_digest=enrolment.slice_digest,
        keyset=Keyset(enrolment.signer, enrolment.kem, enrolment.tls),
    )


def check_identity(
    checks: Checklist, chain_id: int, registry: str, enrolment: EnrolmentEvidence
) -> None:
    """The event's data hash to the identity digest that the registry stores, so the keys are the
    attested ones.
    """
    name = f"enrolment of shard {enrolment.shard_id}"
    with checks.attempt(name):
        digest = identity_of(chain_id, registry, enrolment).identity_digest()
        checks.equal(
            name, enrolment.identity_digest, digest, f"identity 0x{digest.hex()}, {enrolment.host}"
        )


def check_time(checks: Checklist, enrolment: EnrolmentEvidence, at: int) -> None:
    """The shard was attested, and had not left, at Unix time `at`."""
    left = enrolment.left_at
    period = (
        f"from {format_time(enrolment.attested_from)} to {format_time(enrolment.attested_until)}"
    )
    checks.expect(
        f"attestation of shard {enrolment.shard_id}",
        enrolment.attested_from <= at <= enrolment.attested_until and not 0 < left <= at,
        f"valid {period}, used at {format_time(at)}",
        f"used at {format_time(at)}, valid {period}"
        + (f", left at {format_time(left)}" if left else ""),
    )


def check_weights(checks: Checklist, model: ModelEvidence, enrolment: EnrolmentEvidence) -> None:
    """The slice digest is that of the published layers."""
    layers = enrolment.layers
    digests = list(model.layer_digests[layers.first : layers.end])
    if enrolment.is_entry:
        digests += [model.embedding_digest, model.head_digest]
    expected = keccak256(b"".join(digests))
    checks.expect(
        f"weights of shard {enrolment.shard_id}",
        layers.end <= len(model.layer_digests) and enrolment.slice_digest == expected,
        f"layers {layers} as published, slice digest 0x{expected.hex()}",
        f"slice digest 0x{enrolment.slice_digest.hex()} is not that of the published {layers}",
    )


def check_model(checks: Checklist, model: ModelEvidence, trusted: TrustedModel | None) -> None:
    """The deployment file, and not a node alone, says that these are the model's digests."""
    digests = [*model.layer_digests, model.embedding_digest, model.head_digest]
    digest = keccak256(b"".join(digests))
    checks.expect(
        f"model {model.model_id} in the deployment file",
        trusted is not None and trusted.digest == digest,
        f"digest 0x{digest.hex()}",
        f"the chain has digest 0x{digest.hex()}, and the file "
        + (f"0x{trusted.digest.hex()}" if trusted else "does not name the model"),
    )


def check_image(
    checks: Checklist,
    enrolment: EnrolmentEvidence,
    trusted: TrustedModel | None,
    *,
    allow_withdrawn: bool = False,
) -> None:
    """The deployment file, and not a node alone, says that this image may run the model.

    `allow_withdrawn`: also one that could when the request was made.
    """
    named = trusted.measurements if trusted else ()
    if trusted and allow_withdrawn:
        named += trusted.withdrawn
    measurement = f"measurement 0x{enrolment.measurement.hex()}"
    checks.expect(
        f"image of shard {enrolment.shard_id} in the deployment file",
        enrolment.measurement in named,
        measurement,
        f"{measurement} is none of the {len(named)} that the file names for model "
        f"{enrolment.model_id}; update teetee if its publisher has released a new image",
    )


def check_platform_status(checks: Checklist, enrolment: EnrolmentEvidence) -> None:
    """The registry's verifier checked the platform by Intel's collateral."""
    status = enrolment.tcb_status.intel_name
    basis = (
        f"by TCB info {enrolment.evaluation_number}, collateral in force until "
        f"{format_time(enrolment.collateral_until)}"
        if enrolment.collateral_until
        else "by collateral that the chain does not name"
    )
    checks.expect(
        f"on-chain TCB status of shard {enrolment.shard_id}",
        enrolment.tcb_status.is_acceptable,
        f"{status}, {basis}",
        f"{status}: the chain has not checked the platform by Intel's collateral",
    )


def check_quote(
    checks: Checklist,
    enrolment: EnrolmentEvidence,
    settled_quote_hash: bytes,
    quotes: QuoteChecker,
    at: int,
) -> str:
    """The quote is the settled one, is accepted, and binds identity, block and image.

    Returns the TCB status, or `""` if the quote was not accepted.
    """
    shard = f"shard {enrolment.shard_id}"
    same, status = False, ""
    with checks.attempt(f"quote hash of {shard}"):
        hashed = quote_hash(enrolment.quote_core, enrolment.pck)
        same = checks.expect(
            f"quote hash of {shard}",
            hashed == enrolment.quote_hash == settled_quote_hash,
            f"0x{hashed.hex()}",
            f"the quote hashes to 0x{hashed.hex()}, the enrolment says "
            f"0x{enrolment.quote_hash.hex()}, the settlement 0x{settled_quote_hash.hex()}",
        )
    with checks.attempt(f"quote of {shard}"):
        facts = quotes.check(enrolment.quote_core, enrolment.pck_id, at)
        checks.expect(f"quote of {shard}", True, f"accepted: {facts.tcb_status}, {facts.basis}", "")
        status = facts.tcb_status if same else ""
        _check_binding(checks, enrolment, facts)
    return status


def _check_binding(checks: Checklist, enrolment: EnrolmentEvidence, facts: QuoteFacts) -> None:
    shard = f"shard {enrolment.shard_id}"
    expected = report_data(
        enrolment.identity_digest, enrolment.block_number, enrolment.chain_block_hash
    )
    checks.expect(
        f"report data of {shard}",
        facts.report_data == expected and enrolment.block_hash == enrolment.chain_block_hash,
        f"binds the shard's identity and block {enrolment.block_number}",
        f"the quote binds {facts.report_data.hex()}, and the shard's identity and block "
        f"{enrolment.block_number} give {expected.hex()}",
    )
    checks.expect(
        f"image of {shard}",
        facts.measurement == enrolment.measurement and enrolment.measurement_allowed,
        f"measurement 0x{facts.measurement.hex()}, allowed for the model",
        f"measurement 0x{facts.measurement.hex()} in the quote, 0x{enrolment.measurement.hex()} "
        f"in the event, {'' if enrolment.measurement_allowed else 'not '}allowed for the model",
    )
