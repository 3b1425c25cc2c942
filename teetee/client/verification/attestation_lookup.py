# SPDX-License-Identifier: Apache-2.0
"""Reads what shards were attested with: now, before a prompt is sealed, or at a settlement, even if
they renewed or left later.

Contract state names the blocks to look in. Only the attestation of a shard that has renewed or
enrolled again since the settlement is searched for in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teetee.chain.contract_errors import ContractRejected
from teetee.chain.contracts.attestation_history import Attestation, AttestationHistory
from teetee.chain.errors import OF_THE_WHOLE_CHAIN
from teetee.chain.read_batch import ReadBatch, ViewCall
from teetee.chain.types.blocks import Block
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.client.contracts import Contracts
from teetee.client.errors import AttestationMissing
from teetee.client.verification.evidence import EnrolmentEvidence
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from teetee.quotes.claims import PckRecord

_BLOCK_HASHES = "0x0000F90827F1C53a10cb7A02335B175320002935"
"""EIP-2935: the chain's own store of the last 8191 block hashes."""


@dataclass(frozen=True)
class _Attested:
    """A shard as attested, before the rest of its evidence is read."""

    shard_id: ShardId
    host: str
    layers: LayerRange
    is_entry: bool
    signer: str
    identity_digest: bytes
    attestation: Attestation
    is_current: bool
    """Whether the shard has not been attested again since."""
    has_left: bool
    """Whether it has left for now."""


@dataclass(frozen=True)
class _Facts:
    """What the contracts say about it."""

    pck: PckRecord
    is_measurement_allowed: bool
    quoted_block_hash: bytes | None
    """None: too old for the chain's own store."""
    left_at: int | None
    """None: the contract no longer knows."""


class AttestationLookup:
    """Reads one registry. What was read once is kept."""

    def __init__(self, contracts: Contracts) -> None:
        self._connection = contracts.connection
        self._registry = contracts.registry
        self._certificates = contracts.certificates
        self._history = AttestationHistory(contracts.connection, contracts.deployment)
        self._blocks: dict[int, Block] = {}
        self._facts: dict[tuple[ShardId, str], _Facts] = {}

    def current_enrolments(
        self, shards: Sequence[Shard], at: Block
    ) -> tuple[dict[ShardId, EnrolmentEvidence], dict[ShardId, TeeTeeError]]:
        """The attestations of active shards that were read at block `at`; and the reasons where
        one cannot be read. Searches no history.

        An image counts as allowed if it is at that block. Raises errors of the whole chain.
        """
        attested = [self._attested(shard) for shard in shards]
        batch = self._connection.batch(at)
        self._facts.clear()  # whether an image is allowed can change
        reads = [(each, self._facts_in(batch, each)) for each in attested]
        found: dict[ShardId, EnrolmentEvidence] = {}
        missing: dict[ShardId, TeeTeeError] = {}
        for each, facts in reads:
            try:
                is_allowed = facts().is_measurement_allowed
                if is_allowed:
                    self._facts[_key(each)] = facts()
                found[each.shard_id] = self._evidence(each, facts(), is_allowed, 0)
            except OF_THE_WHOLE_CHAIN:
                raise
            except TeeTeeError as error:
                missing[each.shard_id] = error
        return found, missing

    def settled_enrolments(
        self, quotes: Mapping[ShardId, bytes], *, settled_in: int, settled_at: int
    ) -> tuple[dict[ShardId, EnrolmentEvidence], dict[ShardId, str]]:
        """The attestations with these quotes, in block `settled_in` (of Unix time `settled_at`) or
        before it; and the reasons where one cannot be read.
        """
        current = self._current(list(quotes))
        batch = self._connection.batch()
        attested, found, missing = {}, {}, {}
        for shard_id, quote_hash in quotes.items():
            try:
                each = current.get(shard_id)
                if each is None or not _is_of(each.attestation, quote_hash, settled_in):
                    each = self._find_past(shard_id, quote_hash, settled_in)
                attested[shard_id] = (each, self._facts_in(batch, each))
            except TeeTeeError as error:
                missing[shard_id] = str(error)
        for shard_id, (each, facts) in attested.items():
            try:
                found[shard_id] = self._past_evidence(each, facts(), settled_in, settled_at)
            except TeeTeeError as error:
                missing[shard_id] = str(error)
        return found, missing

    # ------------------------------------------------------------ attestations

    def _current(self, shard_ids: Sequence[ShardId]) -> dict[ShardId, _Attested]:
        """With their present attestations. Empty if they cannot be read together."""
        try:
            return {
                shard.shard_id: self._attested(shard) for shard in self._registry.shards(shard_ids)
            }
        except TeeTeeError:
            return {}  # reading them one by one shows which one is the reason

    def _attested(self, shard: Shard) -> _Attested:
        return _Attested(
            shard_id=shard.shard_id,
            host=shard.host,
            layers=shard.layers,
            is_entry=shard.is_entry,
            signer=shard.keyset.signer,
            identity_digest=shard.identity_digest,
            attestation=self._registry.attestation(shard),
            is_current=True,
            has_left=not shard.status.is_enlisted,
        )

    def _find_past(self, shard_id: ShardId, quote_hash: bytes, settled_in: int) -> _Attested:
        stored = self._view("shard", shard_id)
        return _Attested(
            shard_id=shard_id,
            host=stored.host,
            layers=LayerRange(stored.firstLayer, stored.endLayer),
            is_entry=stored.isEntry,
            signer=stored.signer,
            identity_digest=bytes(stored.identityDigest),
            attestation=self._find_attestation(shard_id, quote_hash, settled_in),
            is_current=False,
            has_left=not ShardStatus(stored.status).is_enlisted,
        )

    def _find_attestation(
        self, shard_id: ShardId, quote_hash: bytes, settled_in: int
    ) -> Attestation:
        for first, last in (*self._likely_blocks(shard_id), (None, settled_in)):
            if last > settled_in:
                continue
            for found in self._history.of_shard(shard_id, first_block=first, last_block=last):
                if found.quote_hash == quote_hash:
                    return found
        raise AttestationMissing(shard_id, quote_hash)

    def _likely_blocks(self, shard_id: ShardId) -> list[tuple[int, int]]:
        """Blocks that the registry names; they usually save a search through all blocks."""
        batch = self._connection.batch()
        views = [
            batch.add(self._registry.contract, view, shard_id)
            for view in ("attestationBlock", "enrolmentBlock")
        ]
        try:
            return [(int(block()), int(block())) for block in views]
        except ContractRejected:
            return []  # its signer has another shard now

    # ------------------------------------------------------------ evidence

    def _past_evidence(
        self, attested: _Attested, facts: _Facts, settled_in: int, settled_at: int
    ) -> EnrolmentEvidence:
        allowed = facts.is_measurement_allowed or self._was_allowed(attested.attestation)
        if not attested.is_current or (attested.has_left and facts.left_at is None):
            left_at = self._left_at(attested.attestation, settled_in)
        else:
            # A departure after the settlement does not count; in its block, the escrow has checked.
            left_at = (facts.left_at or 0) if attested.has_left else 0
            left_at = left_at if left_at < settled_at else 0
        return self._evidence(attested, facts, allowed, left_at)

    def _facts_in(self, batch: ReadBatch, attested: _Attested) -> Callable[[], _Facts]:
        attestation = attested.attestation
        known = self._facts.get(_key(attested))
        if known is not None and attested.is_current and not attested.has_left:
            return lambda: known
        pck = self._certificates.record_in(batch, attestation.pck_id)
        is_allowed = batch.add(
            self._registry.contract,
            "isMeasurementAllowed",
            attestation.model_id,
            attestation.measurement,
        )
        number = attestation.quoted_block_number
        stored_hash = batch.add_call(ViewCall(_BLOCK_HASHES, number.to_bytes(32)))
        record = batch.add(self._registry.contract, "signerRecord", attested.signer)
        return lambda: _Facts(
            pck=pck(),
            is_measurement_allowed=bool(is_allowed()),
            quoted_block_hash=_stored_hash(stored_hash),
            left_at=int(record().leftAt) if record().shardId == attested.shard_id else None,
        )

    def _evidence(
        self, attested: _Attested, facts: _Facts, is_allowed: bool, left_at: int
    ) -> EnrolmentEvidence:
        found = attested.attestation
        return EnrolmentEvidence(
            shard_id=attested.shard_id,
            model_id=found.model_id,
            host=attested.host,
            layers=attested.layers,
            is_entry=attested.is_entry,
            signer=attested.signer,
            kem=found.keyset.kem,
            tls=found.keyset.tls,
            slice_digest=found.slice_digest,
            identity_digest=attested.identity_digest,
            quote_hash=found.quote_hash,
            measurement=found.measurement,
            measurement_allowed=is_allowed,
            attested_from=found.block_time or self._block(found.block_number).timestamp,
            attested_until=found.attested_until,
            left_at=left_at,
            block_number=found.quoted_block_number,
            block_hash=found.quoted_block_hash,
            chain_block_hash=facts.quoted_block_hash or self._block(found.quoted_block_number).hash,
            endpoint=found.endpoint,
            quote_core=found.quote_core,
            pck_id=found.pck_id,
            pck=facts.pck,
            tcb_status=found.tcb_status,
            evaluation_number=found.evaluation_number,
            collateral_until=found.collateral_until,
        )

    def _block(self, number: int) -> Block:
        if number not in self._blocks:
            self._blocks[number] = self._connection.block(number)
        return self._blocks[number]

    def _was_allowed(self, attested: Attestation) -> bool:
        """Whether an image that was withdrawn since was allowed at the time of the attestation."""
        # In case of the same block, the registry has enforced the order.
        return any(
            self._history.was_measurement_allowed(attested.model_id, attested.measurement, block)
            for block in (attested.block_number, attested.block_number - 1)
        )

    def _left_at(self, attested: Attestation, settled_in: int) -> int:
        """When the shard left between its attestation and the settlement; 0: it did not.

        Within the settlement's own block the escrow has checked it; a departure within the
        attestation's block came before the attestation.
        """
        before = settled_in - 1
        if before <= attested.block_number or self._was_attested(attested, before):
            return 0
        left = self._history.departures(
            attested.shard_id, first_block=attested.block_number + 1, last_block=before
        )
        return self._block(left[-1].block_number).timestamp if left else 0

    def _was_attested(self, attested: Attestation, number: int) -> bool:
        """Whether the contract's state after a block shows it; False if the node no longer has
        that state.
        """
        try:
            at = self._block(number)
            stage = self._connection.read(
                self._registry.contract, "stage", attested.shard_id, at=at
            )
        except TeeTeeError:
            return False
        is_same = bytes(stage.quoteHash) == attested.quote_hash
        return is_same and bool(stage.isAttested or stage.isPaused)

    def _view(self, name: str, *arguments: Any) -> Any:
        return self._connection.read(self._registry.contract, name, *arguments)


def _key(attested: _Attested) -> tuple[ShardId, str]:
    """One transaction may attest several shards, if their host is a contract."""
    return attested.shard_id, attested.attestation.transaction_hash


def _is_of(attestation: Attestation, quote_hash: bytes, settled_in: int) -> bool:
    return attestation.quote_hash == quote_hash and attestation.block_number <= settled_in


def _stored_hash(read: Callable[[], bytes]) -> bytes | None:
    try:
        found = read()
    except ContractRejected:
        return None
    return found if len(found) == 32 and any(found) else None
