# SPDX-License-Identifier: Apache-2.0
"""Who serves which layers of which model: reads of ShardRegistry, and its calls to be sent.

A shard's keys and endpoint are in events alone. They are believed because the identity digest,
computed again from them, is the one in contract state; for what state does not bind, see `Shard`.
"""

from dataclasses import dataclass, replace
from typing import Any

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Block, Connection, every_page
from teetee.chain.contract_errors import ShardReplaced, UnknownShard
from teetee.chain.contracts.attestation_history import Attestation, AttestationHistory
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.verifiers import QuoteVerifier
from teetee.chain.deployment import Deployment
from teetee.chain.errors import LogMissing, ShardIdentityMismatch
from teetee.chain.types.models import Model
from teetee.chain.types.policies import AttestationPolicy
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.keyset import EnclaveIdentity, Keyset
from teetee.protocol.layers import LayerRange
from teetee.protocol.signatures import CompactSignature
from teetee.quotes.claims import QuoteClaims

PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a host says about a shard that is to be enrolled. The chain, registry and host are
    implied.
    """

    model_id: ModelId
    layers: LayerRange
    is_entry: bool
    keyset: Keyset
    endpoint: str
    payout: str
    block_number: int
    """The block whose hash is in the quote's report data: not the head, which no simulation knows
    the hash of, but an older one, up to 8191 blocks back.
    """


class Registry:
    """Reads and calls of one registry. Reads without `at` are of the newest block."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._deployment = deployment
        self.contract = connection.contract("ShardRegistry", deployment.registry)
        self.history = AttestationHistory(connection, deployment)
        self.verifier = QuoteVerifier(connection, deployment)
        self._certificates = Certificates(connection, deployment)
        # The latest attestation of each shard: whoever polls reads its events once per quote.
        self._attestations: dict[ShardId, Attestation] = {}

    # ------------------------------------------------------------ models

    def model_count(self, at: Block | None = None) -> int:
        """Models are numbered from 1 to this."""
        return int(self._read("modelCount", at=at))

    def model(self, model_id: ModelId, at: Block | None = None) -> Model:
        """A published model. Raises `UnknownModel`."""
        at = at or self._connection.head()
        stored = self._read("model", model_id, at=at)
        digests = self._read("layerDigests", model_id, at=at)
        return Model(
            model_id=model_id,
            name=stored.name,
            layer_digests=tuple(bytes(digest) for digest in digests),
            embedding_digest=bytes(stored.embeddingDigest),
            head_digest=bytes(stored.headDigest),
            context_length=stored.contextLength,
            input_price=stored.inputPrice,
            output_price=stored.outputPrice,
            entry_layer_equivalents=stored.entryLayerEquivalents,
            royalty_bps=stored.royaltyBps,
            royalty_recipient=stored.royaltyRecipient,
            manifest_uri=stored.manifestURI,
        )

    def is_measurement_allowed(
        self, model_id: ModelId, measurement: bytes, at: Block | None = None
    ) -> bool:
        """Whether shards of the model may run the image with this measurement."""
        return bool(self._read("isMeasurementAllowed", model_id, measurement, at=at))

    def policy(self, model_id: ModelId, at: Block | None = None) -> AttestationPolicy:
        """What a model asks of platforms and paths. Raises `UnknownModel`."""
        return AttestationPolicy.from_struct(self._read("policyOf", model_id, at=at))

    # ------------------------------------------------------------ shards

    def shard_count(self, at: Block | None = None) -> int:
        """Shards are numbered from 1 to this."""
        return int(self._read("shardCount", at=at))

    def shard_of(self, signer: str) -> ShardId | None:
        """The latest shard of an enclave, by its signer's address."""
        return ShardId(int(self._read("shardOf", signer))) or None

    def is_active(self, shard_id: ShardId, at: Block | None = None) -> bool:
        """Whether the shard may serve: enrolled, attested, with a whole bond."""
        return bool(self._read("isActive", shard_id, at=at))

    def shard(self, shard_id: ShardId, at: Block | None = None) -> Shard:
        """One shard, checked. Raises `UnknownShard`, `LogMissing`, `ShardIdentityMismatch`."""
        at = at or self._connection.head()
        stored = self._read("shard", shard_id, at=at)
        if ShardStatus(stored.status) is ShardStatus.NONE:
            raise UnknownShard("UnknownShard", {"shardId": shard_id})
        attestation = self._attestation(shard_id, bytes(stored.quoteHash), at)
        shard = Shard(
            shard_id=shard_id,
            model_id=ModelId(stored.modelId),
            layers=LayerRange(stored.firstLayer, stored.endLayer),
            is_entry=stored.isEntry,
            host=stored.host,
            keyset=replace(attestation.keyset, signer=stored.signer),
            endpoint=attestation.endpoint,
            slice_digest=attestation.slice_digest,
            identity_digest=bytes(stored.identityDigest),
            quote_hash=bytes(stored.quoteHash),
            measurement=attestation.measurement,
            pck_id=attestation.pck_id,
            platform_id=attestation.platform_id,
            tcb_status=attestation.tcb_status,
            evaluation_number=attestation.evaluation_number,
            collateral_until=attestation.collateral_until,
            attested_until=stored.attestedUntil,
            status=ShardStatus(stored.status),
            is_active=self.is_active(shard_id, at),
            bond=stored.bond,
            enrolment_transaction=attestation.transaction_hash,
            quoted_block_number=attestation.quoted_block_number,
            quoted_block_hash=attestation.quoted_block_hash,
        )
        self._check_identity(shard)
        return shard

    def active_shards(self, model_id: ModelId, at: Block | None = None) -> tuple[Shard, ...]:
        """All shards of a model that may serve, ascending by id, read at one block."""
        block = at or self._connection.head()

        def page(cursor: int) -> tuple[list[int], int]:
            found = self._read("activeShards", model_id, cursor, PAGE, at=block)
            return list(found[0]), int(found[1])

        return tuple(self.shard(ShardId(shard_id), block) for shard_id in every_page(page))

    def identity(self, shard: Shard) -> EnclaveIdentity:
        """What the shard's quote has to vouch for."""
        return EnclaveIdentity(
            chain_id=self._deployment.chain_id,
            registry=self._deployment.registry,
            host=shard.host,
            model_id=shard.model_id,
            layers=shard.layers,
            is_entry=shard.is_entry,
            slice_digest=shard.slice_digest,
            keyset=shard.keyset,
        )

    def quote(self, shard: Shard) -> tuple[bytes, bytes]:
        """Quote core and pckId of the present quote. Raises as `AttestationHistory.quote` does."""
        return self.history.quote(shard.enrolment_transaction)

    def quote_argument(self, shard: Shard) -> tuple[bytes, bytes]:
        """The same, with the PEM chain behind the core where the verifier takes one."""
        return self.history.quote_argument(shard.enrolment_transaction)

    def claims(self, shard: Shard) -> QuoteClaims:
        """What a recheck takes. Raises as `quote` does, and `QuoteMalformed`."""
        core, pck_id = self.quote(shard)
        return QuoteClaims.from_core(core, self._certificates.facts(pck_id))

    def status_after_recheck(self, shard: Shard, claims: QuoteClaims) -> ShardStatus:
        """What a recheck would make of the shard in the next block. Raises `ContractRejected`."""
        found = self._read("recheck", shard.shard_id, claims.to_abi())
        return ShardStatus(int(found))

    # ------------------------------------------------------------ hosts

    def bond(self) -> int:
        """Token wei which a shard must have as its bond."""
        return int(self._read("BOND"))

    def unbonding_period(self) -> int:
        """Seconds between a shard's leaving and the release of its bond."""
        return int(self._read("UNBONDING_PERIOD"))

    def payout_of(self, host: str, at: Block | None = None) -> str | None:
        """Where a host's earnings go; None: it never enrolled a shard."""
        payout = str(self._read("payoutOf", host, at=at))
        return None if int(payout, 16) == 0 else payout

    # ------------------------------------------------------------ calls

    def enrol(
        self, enrolment: Enrolment, quote: bytes, pck_id: bytes, signature: CompactSignature
    ) -> Call:
        """By the host, which must have approved the bond. `quote` comes from
        `QuoteVerifier.argument`, `signature` from the enclave's signer.
        """
        parameters = {
            "modelId": enrolment.model_id,
            "firstLayer": enrolment.layers.first,
            "endLayer": enrolment.layers.end,
            "isEntry": enrolment.is_entry,
            "signer": enrolment.keyset.signer,
            "kem": enrolment.keyset.kem,
            "tls": enrolment.keyset.tls,
            "endpoint": enrolment.endpoint,
            "payout": enrolment.payout,
            "blockNumber": enrolment.block_number,
        }
        full = signature.to_rsv()
        return encode_call(self.contract, "enrol", parameters, quote, pck_id, full)

    def renew(
        self,
        shard_id: ShardId,
        keyset: Keyset,
        *,
        endpoint: str,
        block_number: int,
        quote: bytes,
        pck_id: bytes,
    ) -> Call:
        """By the host, with a fresh quote of the same enclave."""
        parameters = {
            "shardId": shard_id,
            "kem": keyset.kem,
            "tls": keyset.tls,
            "endpoint": endpoint,
            "blockNumber": block_number,
        }
        return encode_call(self.contract, "renew", parameters, quote, pck_id)

    def retire(self, shard_id: ShardId) -> Call:
        """By the host."""
        return encode_call(self.contract, "retire", shard_id)

    def evict(self, shard_id: ShardId) -> Call:
        """By anyone, once the shard is unfit."""
        return encode_call(self.contract, "evict", shard_id)

    def recheck(self, shard_id: ShardId, claims: QuoteClaims) -> Call:
        """By anyone: pauses, resumes or evicts, as the collateral and the policy of now want it."""
        return encode_call(self.contract, "recheck", shard_id, claims.to_abi())

    def withdraw_bond(self, shard_id: ShardId) -> Call:
        """By anyone, to the host's payout address, once it is released."""
        return encode_call(self.contract, "withdrawBond", shard_id)

    def top_up_bond(self, shard_id: ShardId, amount: int) -> Call:
        """By anyone who has approved `amount` token wei."""
        return encode_call(self.contract, "topUpBond", shard_id, amount)

    # ------------------------------------------------------------ private

    def _read(self, function: str, *arguments: Any, at: Block | None = None) -> Any:
        return self._connection.read(self.contract, function, *arguments, at=at)

    def _attestation(self, shard_id: ShardId, quote_hash: bytes, at: Block) -> Attestation:
        """The event of the present quote."""
        known = self._attestations.get(shard_id)
        if known is None or known.quote_hash != quote_hash:
            known = self._attestations[shard_id] = self._find_attestation(shard_id, quote_hash, at)
        return known

    def _find_attestation(self, shard_id: ShardId, quote_hash: bytes, at: Block) -> Attestation:
        try:
            block = int(self._read("attestationBlock", shard_id, at=at))
            found = self.history.of_shard(shard_id, first_block=block, last_block=block)
        except ShardReplaced:  # the contract forgot the block when the enclave was enrolled anew
            block = self._deployment.deployed_at_block
            found = self.history.of_shard(shard_id, last_block=at.number)
        for attestation in reversed(found):
            if attestation.quote_hash == quote_hash:
                return attestation
        raise LogMissing("ShardEnrolled or ShardRenewed", block)

    def _check_identity(self, shard: Shard) -> None:
        computed = self.identity(shard).identity_digest()
        if computed != shard.identity_digest:
            raise ShardIdentityMismatch(shard.shard_id, shard.identity_digest, computed)
