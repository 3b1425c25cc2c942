# SPDX-License-Identifier: Apache-2.0
"""Reads the evidence of one request from the chain. Checks nothing."""

from __future__ import annotations

from teetee.chain.types.models import Model
from teetee.chain.types.requests import (
    Request,
    RequestDeclined,
    RequestEnd,
    RequestOpened,
    RequestRefunded,
    RequestSettled,
)
from teetee.chain.types.settlements import StageSignature
from teetee.client.contracts import Contracts
from teetee.client.verification.attestation_lookup import AttestationLookup
from teetee.client.verification.evidence import (
    DeclineEvidence,
    EnrolmentEvidence,
    ModelEvidence,
    RefundEvidence,
    RequestEvidence,
    SettlementEvidence,
    ShareEvidence,
    StageEvidence,
)
from teetee.protocol.identifiers import ShardId


class EvidenceReader:
    """Reads evidence from one escrow and registry. Every call raises the chain's errors."""

    def __init__(self, contracts: Contracts, attestations: AttestationLookup | None = None) -> None:
        self._contracts = contracts
        self._attestations = attestations or AttestationLookup(contracts)

    def request(self, request: Request, opened: RequestOpened | None = None) -> RequestEvidence:
        """Read contract state, and note where the event differs from it; `opened`: the event, if
        it is read already.
        """
        opened = opened or self._contracts.history.opened(request)
        return RequestEvidence(
            request_id=request.request_id,
            requester=request.requester,
            model_id=request.model_id,
            status=request.status.name,
            opened_at=request.opened_at,
            deadline=request.deadline,
            max_input_tokens=request.max_input_tokens,
            max_output_tokens=request.max_output_tokens,
            input_price=request.input_price,
            output_price=request.output_price,
            deposit=request.deposit,
            recipients=tuple(request.recipients),
            nonce_prefix=request.nonce_prefix,
            event_differences=_differences(request, opened),
        )

    def settlement(self, settled: RequestSettled) -> SettlementEvidence:
        """Read the transaction's calldata (this request's part of a batch) and its events."""
        signed = self._contracts.history.settlement(settled)
        return SettlementEvidence(
            transaction=settled.transaction_hash,
            block_number=settled.block_number,
            block_time=self._block_time(settled),
            input_tokens=signed.input_tokens,
            output_tokens=signed.output_tokens,
            answer=signed.answer,
            r=signed.r,
            vs=signed.vs,
            stages=tuple(_stage(stage) for stage in signed.stages),
            event_tokens=(settled.input_tokens, settled.output_tokens),
            event_answer=settled.answer,
            last_receipt=settled.last_receipt,
            cost=settled.cost,
            fee=settled.fee,
            royalty=settled.royalty,
            refund=settled.refund,
            shares=tuple(
                ShareEvidence(stage.shard_id, stage.host, stage.amount, stage.quote_hash)
                for stage in settled.stages
            ),
        )

    def enrolments(
        self, settlement: SettlementEvidence
    ) -> tuple[dict[int, EnrolmentEvidence], dict[int, str]]:
        """Read the enrolments of the path's shards, and the reasons where that fails."""
        hashes = {share.shard_id: share.quote_hash for share in settlement.shares}
        quotes = {
            ShardId(stage.shard_id): hashes.get(stage.shard_id, b"") for stage in settlement.stages
        }
        found, missing = self._attestations.settled_enrolments(
            quotes, settled_in=settlement.block_number, settled_at=settlement.block_time
        )
        return (
            {int(shard_id): each for shard_id, each in found.items()},
            {int(shard_id): reason for shard_id, reason in missing.items()},
        )

    def decline(self, declined: RequestDeclined) -> DeclineEvidence:
        """Read the event and its time."""
        return DeclineEvidence(
            transaction=declined.transaction_hash,
            block_time=self._block_time(declined),
            shard_id=declined.shard_id,
            reason=declined.reason.name,
            amount=declined.refund,
        )

    def refund(self, refunded: RequestRefunded) -> RefundEvidence:
        """Read the event and its time."""
        return RefundEvidence(
            transaction=refunded.transaction_hash,
            block_time=self._block_time(refunded),
            amount=refunded.refund,
            penalty=refunded.penalty,
        )

    def _block_time(self, ended: RequestEnd) -> int:
        return ended.block_time or self._contracts.connection.block(ended.block_number).timestamp


def model_evidence(model: Model) -> ModelEvidence:
    """Take digests and terms from a model; those that a settlement depends on never change."""
    return ModelEvidence(
        model_id=model.model_id,
        name=model.name,
        layer_digests=model.layer_digests,
        embedding_digest=model.embedding_digest,
        head_digest=model.head_digest,
        royalty_bps=model.royalty_bps,
        royalty_recipient=model.royalty_recipient,
        entry_layer_equivalents=model.entry_layer_equivalents,
    )


def _differences(request: Request, opened: RequestOpened) -> tuple[str, ...]:
    names = (
        "requester",
        "model_id",
        "recipients",
        "max_input_tokens",
        "max_output_tokens",
        "deposit",
        "deadline",
        "nonce_prefix",
    )
    return tuple(name for name in names if getattr(request, name) != getattr(opened, name))


def _stage(stage: StageSignature) -> StageEvidence:
    return StageEvidence(
        shard_id=stage.shard_id,
        input_commitment=stage.input_commitment,
        output_commitment=stage.output_commitment,
        r=stage.r,
        vs=stage.vs,
    )
