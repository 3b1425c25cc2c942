# SPDX-License-Identifier: Apache-2.0
"""ShardRegistry: models, and the shards that serve their layers. Reads, and calls to be sent.

Only events contain a shard's keys and endpoint. The keys are verified: the identity digest computed
from them must equal the one in contract state. `Shard` says what contract state does not cover.
"""

from dataclasses import dataclass, replace
from typing import Any

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import ShardReplaced, UnknownShard
from teetee.chain.contracts.attestation_history import Attestation, AttestationHistory
from teetee.chain.contracts.certificates import Certificates
from teetee.chain.contracts.verifiers import QuoteVerifier
from teetee.chain.deployment import Deployment
from teetee.chain.errors import LogMissing, ShardIdentityMismatch
from teetee.chain.types.abi_fields import from_abi
from teetee.chain.types.blocks import Block
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
    """A host's enrolment of a shard. Chain, registry and host are implied."""

    model_id: ModelId
    layers: LayerRange
    is_entry: bool
    keyset: Keyset
    endpoint: str
    payout: str
    block_number: int
    """The block whose hash is in the quote's report data, up to 8191 blocks old. Not the head: its
    hash is unknown to a simulated call.
    """


class Registry:
    """Reads and calls of one registry. Without `at`, reads are of the newest block."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._deployment = deployment
        self.contract = connection.contract("ShardRegistry", deployment.registry)
        self.history = AttestationHistory(connection, deployment)
        self.verifier = QuoteVerifier(connection, deployment)
        self._certificates = Certificates(connection, deployment)
        # The latest attestation of each shard, so that polling reads its events once per quote.
        self._attestations: dict[ShardId, Attestation] = {}

    # ------------------------------------------------------------ models

    def model_count(self, at: Block | None = None) -> int:
        """The number of models, which is also the highest id."""
        return int(self._read("modelCount", at=at))

    def model(self, model_id: ModelId, at: Block | None = None) -> Model:
        """A published model. Raises `UnknownModel`."""
        at = at or self._connection.head()
        stored = self._read("model", model_id, at=at)
        digests = self._read("layerDigests", model_id, at=at)
        return from_abi(
            Model,
            stored._asdict(),
            model_id=model_id,
            layer_digests=tuple(digests),
            manifest_uri=stored.manifestURI,
        )

    def is_measurement_allowed(
        self, model_id: ModelId, measurement: bytes, at: Block | None = None
    ) -> bool:
        """Whether shards of the model may run the image with this measurement."""
        return bool(self._read("isMeasurementAllowed", model_id, measurement, at=at))

    def policy(self, model_id: ModelId, at: Block | None = None) -> AttestationPolicy:
        """A model's requirements for platforms and paths. Raises `UnknownModel`."""
        return AttestationPolicy.from_struct(self._read("policyOf", model_id, at=at))

    # ------------------------------------------------------------ shards

    def shard_count(self, at: Block | None = None) -> int:
        """The number of shards, which is also the highest id."""
        return int(self._read("shardCount", at=at))

    def shard_of(self, signer: str) -> ShardId | None:
        """An enclave's latest shard, by its signer's address; None if it has none."""
        return ShardId(int(self._read("shardOf", signer))) or None

    def is_active(self, shard_id: ShardId, at: Block | None = None) -> bool:
        """Whether the shard may serve: enrolled, attested, with its full bond."""
        return bool(self._read("isActive", shard_id, at=at))

    def shard(self, shard_id: ShardId, at: Block | None = None) -> Shard:
        """One shard, verified. Raises `UnknownShard`, `LogMissing`, `ShardIdentityMismatch`."""
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
        self._verify_identity(shard)
        return shard

    def active_shards(self, model_id: ModelId, at: Block | None = None) -> tuple[Shard, ...]:
        """All shards of a model that may serve, ascending by id, read at one block."""
        block = at or self._connection.head()

        found: list[Shard] = []
        cursor = 0
        while True:
            ids, cursor = self._read("activeShards", model_id, cursor, PAGE, at=block)
            found += [self.shard(ShardId(shard_id), block) for shard_id in ids]
            if cursor == 0:
                return tuple(found)

    def identity(self, shard: Shard) -> EnclaveIdentity:
        """The identity that the shard's quote must contain."""
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
        """Core and pckId of the current quote. Raises like `AttestationHistory.quote`."""
        return self.history.quote(shard.enrolment_transaction)

    def quote_argument(self, shard: Shard) -> tuple[bytes, bytes]:
        """The same, but the core is followed by the PEM chain if the verifier takes one."""
        return self.history.quote_argument(shard.enrolment_transaction)

    def claims(self, shard: Shard) -> QuoteClaims:
        """The claims that a recheck takes. Raises like `quote`, and `QuoteMalformed`."""
        core, pck_id = self.quote(shard)
        return QuoteClaims.from_core(core, self._certificates.record(pck_id))

    def status_after_recheck(self, shard: Shard, claims: QuoteClaims) -> ShardStatus:
        """The shard's status after a recheck in the next block. Raises `ContractRejected`."""
        found = self._read("recheck", shard.shard_id, claims.to_abi())
        return ShardStatus(int(found))

    # ------------------------------------------------------------ hosts

    def bond(self) -> int:
        """A shard's bond in token wei."""
        return int(self._read("BOND"))

    def unbonding_period(self) -> int:
        """Seconds from a shard's departure to the release of its bond."""
        return int(self._read("UNBONDING_PERIOD"))

    def payout_of(self, host: str, at: Block | None = None) -> str | None:
        """The address for a host's earnings; None if it never enrolled a shard."""
        payout = str(self._read("payoutOf", host, at=at))
        return None if int(payout, 16) == 0 else payout

    # ------------------------------------------------------------ calls

    def enrol(
        self, enrolment: Enrolment, quote: bytes, pck_id: bytes, signature: CompactSignature
    ) -> Call:
        """By the host, after approving the bond. `quote` comes from
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
        """By anyone: pauses, resumes or evicts according to current collateral and policy."""
        return encode_call(self.contract, "recheck", shard_id, claims.to_abi())

    def withdraw_bond(self, shard_id: ShardId) -> Call:
        """By anyone, to the host's payout address, once it is released."""
        return encode_call(self.contract, "withdrawBond", shard_id)

    def top_up_bond(self, shard_id: ShardId, amount: int) -> Call:
        """By anyone, after approving `amount` token wei."""
        return encode_call(self.contract, "topUpBond", shard_id, amount)

    # ------------------------------------------------------------ private

    def _read(self, function: str, *arguments: Any, at: Block | None = None) -> Any:
        return self._connection.read(self.contract, function, *arguments, at=at)

    def _attestation(self, shard_id: ShardId, quote_hash: bytes, at: Block) -> Attestation:
        """The event of the current quote."""
        known = self._attestations.get(shard_id)
        if known is None or known.quote_hash != quote_hash:
            known = self._attestations[shard_id] = self._find_attestation(shard_id, quote_hash, at)
        return known

    def _find_attestation(self, shard_id: ShardId, quote_hash: bytes, at: Block) -> Attestation:
        try:
            block = int(self._read("attestationBlock", shard_id, at=at))
            found = self.history.of_shard(shard_id, first_block=block, last_block=block)
        except (
            ShardReplaced
        ):  # the contract no longer has the block: the enclave was enrolled again
            block = self._deployment.deployed_at_block
            found = self.history.of_shard(shard_id, last_block=at.number)
        for attestation in reversed(found):
            if attestation.quote_hash == quote_hash:
                return attestation
        raise LogMissing("ShardEnrolled or ShardRenewed", block)

    def _verify_identity(self, shard: Shard) -> None:
        computed = self.identity(shard).identity_digest()
        if computed != shard.identity_digest:
            raise ShardIdentityMismatch(shard.shard_id, shard.identity_digest, computed)
