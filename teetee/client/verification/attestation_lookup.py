# SPDX-License-Identifier: Apache-2.0
"""Finds the attestation that a shard had at a settlement, even if it renewed or left later."""

from __future__ import annotations

from typing import Any

from teetee.chain.contract_errors import ContractRejected
from teetee.chain.contracts.attestation_history import Attestation, AttestationHistory
from teetee.client.contracts import Contracts
from teetee.client.errors import AttestationMissing
from teetee.client.verification.evidence import EnrolmentEvidence
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange


class AttestationLookup:
    """Searches one registry's history."""

    def __init__(self, contracts: Contracts) -> None:
        self._connection = contracts.connection
        self._registry = contracts.registry
        self._certificates = contracts.certificates
        self._history = AttestationHistory(contracts.connection, contracts.deployment)

    def find_enrolment(
        self, shard_id: int, quote_hash: bytes, settled_in: int
    ) -> EnrolmentEvidence:
        """Find the attestation with that quote, in block `settled_in` or before it.

        Raises `AttestationMissing`, and the chain's errors.
        """
        stored = self._connection.read(self._registry.contract, "shard", shard_id)
        found = self._find(ShardId(shard_id), quote_hash, settled_in)
        core, _ = self._history.quote(found.transaction_hash)
        return EnrolmentEvidence(
            shard_id=shard_id,
            model_id=stored.modelId,
            host=stored.host,
            layers=LayerRange(stored.firstLayer, stored.endLayer),
            is_entry=stored.isEntry,
            signer=stored.signer,
            kem=found.keyset.kem,
            tls=found.keyset.tls,
            slice_digest=found.slice_digest,
            identity_digest=bytes(stored.identityDigest),
            quote_hash=found.quote_hash,
            measurement=found.measurement,
            measurement_allowed=self._was_allowed(found),
            attested_from=self._connection.block(found.block_number).timestamp,
            attested_until=found.attested_until,
            left_at=self._left_at(found, settled_in),
            block_number=found.quoted_block_number,
            block_hash=found.quoted_block_hash,
            chain_block_hash=self._connection.block(found.quoted_block_number).hash,
            endpoint=found.endpoint,
            quote_core=core,
            pck_id=found.pck_id,
            pck=self._certificates.record(found.pck_id),
            tcb_status=found.tcb_status,
            evaluation_number=found.evaluation_number,
            collateral_until=found.collateral_until,
        )

    def _find(self, shard_id: ShardId, quote_hash: bytes, settled_in: int) -> Attestation:
        for first, last in (*self._likely_blocks(shard_id), (None, settled_in)):
            if last > settled_in:
                continue
            found = self._history.of_shard(shard_id, first_block=first, last_block=last)
            for attestation in found:
                if attestation.quote_hash == quote_hash:
                    return attestation
        raise AttestationMissing(shard_id, quote_hash)

    def _likely_blocks(self, shard_id: ShardId) -> list[tuple[int, int]]:
        """Blocks that the registry names; they usually save a search through all blocks."""
        blocks = []
        for view in ("attestationBlock", "enrolmentBlock"):
            try:
                block = int(self._view(view, shard_id))
            except ContractRejected:
                continue  # its signer has another shard now
            blocks.append((block, block))
        return blocks

    def _was_allowed(self, attested: Attestation) -> bool:
        """Whether the image was allowed at the time of the attestation."""
        model_id, measurement = attested.model_id, attested.measurement
        if self._registry.is_measurement_allowed(model_id, measurement):
            return True  # and it was then: the registry accepts no other
        # Withdrawn later. In case of the same block, the registry has enforced the order.
        return any(
            self._history.was_measurement_allowed(model_id, measurement, block)
            for block in (attested.block_number, attested.block_number - 1)
        )

    def _left_at(self, attested: Attestation, settled_in: int) -> int:
        """When the shard left between its attestation and the settlement; 0: it did not.

        Within the settlement's own block the escrow has checked it; a departure within the
        attestation's block came before the attestation.
        """
        if settled_in - 1 <= attested.block_number:
            return 0
        left = self._history.departures(
            attested.shard_id, first_block=attested.block_number + 1, last_block=settled_in - 1
        )
        return self._connection.block(left[-1].block_number).timestamp if left else 0

    def _view(self, name: str, *arguments: Any) -> Any:
        return self._connection.read(self._registry.contract, name, *arguments)
