# SPDX-License-Identifier: Apache-2.0
"""ShardRegistry: models, and the shards that serve their layers. Reads, and calls to be sent.

Only events contain a shard's keys, endpoint, quote and claims. The keys are verified: the identity
digest computed from them must equal the one in contract state. So must the hash of the claims.
`Shard` says what contract state does not cover.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import ShardReplaced
from teetee.chain.contracts.attestation_history import Attestation, AttestationHistory
from teetee.chain.contracts.verifiers import QuoteVerifier
from teetee.chain.deployment import Deployment
from teetee.chain.errors import LogMissing, ShardIdentityMismatch
from teetee.chain.read_batch import ReadBatch
from teetee.chain.types.abi_fields import from_abi
from teetee.chain.types.blocks import Block
from teetee.chain.types.models import Model
from teetee.chain.types.policies import AttestationPolicy
from teetee.chain.types.shards import Shard, ShardStatus
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.keyset import EnclaveIdentity, Keyset
from teetee.protocol.layers import LayerRange
from teetee.protocol.signatures import CompactSignature
from teetee.quotes.claims import QuoteClaims

PAGE = 200
_EVENTS = "ShardEnrolled, ShardRenewed or ShardRekeyed"


@dataclass(frozen=True, slots=True)
class ActiveIds:
    """A page of active shards' ids, and the cursor of the next; 0 at the end."""

    shard_ids: tuple[ShardId, ...]
    next_cursor: int


@dataclass(frozen=True, slots=True)
class _ShardState:
    """What contract state says about a shard."""

    shard_id: ShardId
    stored: Any
    is_active: bool
    attested_in: int | None
    """The block with the event of the current quote; None: the contract does not know it."""

    @property
    def quote_hash(self) -> bytes:
        return bytes(self.stored.quoteHash)


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
        # The latest attestation of each shard, so that polling reads its events once per quote.
        self._attestations: dict[ShardId, Attestation] = {}

    # ------------------------------------------------------------ models

    def model_count(self, at: Block | None = None) -> int:
        """The number of models, which is also the highest id."""
        return self.model_count_in(self._connection.batch(at))()

    def model_count_in(self, batch: ReadBatch) -> Callable[[], int]:
        """The same, read with others."""
        read = batch.add(self.contract, "modelCount")
        return lambda: int(read())

    def model(self, model_id: ModelId, at: Block | None = None) -> Model:
        """A published model. Raises `UnknownModel`."""
        return self.model_in(self._connection.batch(at), model_id)()

    def model_in(self, batch: ReadBatch, model_id: ModelId) -> Callable[[], Model]:
        """The same, read with others."""
        stored = batch.add(self.contract, "model", model_id)
        digests = batch.add(self.contract, "layerDigests", model_id)
        return lambda: from_abi(
            Model,
            stored()._asdict(),
            model_id=model_id,
            layer_digests=tuple(digests()),
            manifest_uri=stored().manifestURI,
        )

    def is_measurement_allowed(
        self, model_id: ModelId, measurement: bytes, at: Block | None = None
    ) -> bool:
        """Whether shards of the model may run the image with this measurement."""
        return bool(self._read("isMeasurementAllowed", model_id, measurement, at=at))

    def policy(self, model_id: ModelId, at: Block | None = None) -> AttestationPolicy:
        """A model's requirements for platforms and paths. Raises `UnknownModel`."""
        return self.policy_in(self._connection.batch(at), model_id)()

    def policy_in(self, batch: ReadBatch, model_id: ModelId) -> Callable[[], AttestationPolicy]:
        """The same, read with others."""
        read = batch.add(self.contract, "policyOf", model_id)
        return lambda: AttestationPolicy.from_struct(read())

    # ------------------------------------------------------------ escrow

    def bound_escrow(self, at: Block | None = None) -> str:
        """The escrow that this registry obeys; the zero address until one is bound."""
        return str(self._read("escrow", at=at))

    # ------------------------------------------------------------ shards

    def shard_count(self, at: Block | None = None) -> int:
        """The number of shards, which is also the highest id."""
        return int(self._read("shardCount", at=at))

    def status(self, shard_id: ShardId) -> ShardStatus:
        """A shard's status, from contract state alone. Raises `UnknownShard`."""
        return ShardStatus(int(self._read("shard", shard_id).status))

    def shard_of(self, signer: str) -> ShardId | None:
        """An enclave's latest shard, by its signer's address; None if it has none."""
        return ShardId(int(self._read("shardOf", signer))) or None

    def is_active(self, shard_id: ShardId, at: Block | None = None) -> bool:
        """Whether the shard may serve: enrolled, attested, with its full bond."""
        return bool(self._read("isActive", shard_id, at=at))

    def shard(self, shard_id: ShardId, at: Block | None = None) -> Shard:
        """One shard, verified. Raises `UnknownShard`, `LogMissing`, `ShardIdentityMismatch`."""
        return self.shards([shard_id], at)[0]

    def shards(self, shard_ids: Sequence[ShardId], at: Block | None = None) -> list[Shard]:
        """Several shards in that order, read together at one block. Raises the same."""
        found, problems = self.readable_shards(shard_ids, at)
        for problem in problems.values():
            raise problem
        return list(found)

    def readable_shards(
        self, shard_ids: Sequence[ShardId], at: Block | None = None
    ) -> tuple[tuple[Shard, ...], dict[ShardId, TeeTeeError]]:
        """The same, without those whose events are missing or wrong; and the reasons, which are
        those of `shard`. Raises `UnknownShard`, and errors that concern the whole chain.
        """
        batch = self._connection.batch(at)
        reads = [self._shard_reads(batch, shard_id) for shard_id in shard_ids]
        states = [read() for read in reads]
        self._find_attestations(states, at)
        found: list[Shard] = []
        problems: dict[ShardId, TeeTeeError] = {}
        for state in states:
            try:
                found.append(self._verified(state))
            except (LogMissing, ShardIdentityMismatch) as problem:
                problems[state.shard_id] = problem
        return tuple(found), problems

    def active_shards(self, model_id: ModelId, at: Block | None = None) -> tuple[Shard, ...]:
        """All shards of a model that may serve, ascending by id, read at one block."""
        block = at or self._connection.head()
        return tuple(self.shards(self.active_ids(model_id, block), block))

    def active_ids(self, model_id: ModelId, at: Block) -> list[ShardId]:
        """Their ids alone."""
        first = self.active_ids_in(self._connection.batch(at), model_id)
        return self.all_active_ids(model_id, first(), at)

    def active_ids_and_policy(
        self, model_id: ModelId, at: Block
    ) -> tuple[list[ShardId], AttestationPolicy]:
        """The ids of all shards that may serve, and the model's policy, in one call."""
        batch = self._connection.batch(at)
        first, policy = self.active_ids_in(batch, model_id), self.policy_in(batch, model_id)
        return self.all_active_ids(model_id, first(), at), policy()

    def active_ids_in(self, batch: ReadBatch, model_id: ModelId) -> Callable[[], ActiveIds]:
        """The first page of the ids, read with others; see `all_active_ids`."""
        page = batch.add(self.contract, "activeShards", model_id, 0, PAGE)
        return lambda: _active_ids(page())

    def all_active_ids(self, model_id: ModelId, first: ActiveIds, at: Block) -> list[ShardId]:
        """The ids of the first page and of those that follow."""
        found, cursor = list(first.shard_ids), first.next_cursor
        while cursor:
            page = _active_ids(self._read("activeShards", model_id, cursor, PAGE, at=at))
            found, cursor = found + list(page.shard_ids), page.next_cursor
        return found

    def attestation(self, shard: Shard) -> Attestation:
        """The attestation that `shard` was read with. It is read again only if another `Registry`
        read the shard, or if this one has read a newer attestation since; raises `LogMissing`.
        """
        known = self._attestations.get(shard.shard_id)
        if known is not None and known.quote_hash == shard.quote_hash:
            return known
        for found in self.history.of_shard(shard.shard_id):
            if found.quote_hash == shard.quote_hash:
                return found
        raise LogMissing(_EVENTS, self._deployment.deployed_at_block)

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
        """Core and pckId of the quote that `shard` was read with. Only as trustworthy as the node:
        compare their `teetee.quotes.claims.quote_hash` with `quote_hash`. Raises `LogMissing`.
        """
        attestation = self.attestation(shard)
        return attestation.quote_core, attestation.pck_id

    def quote_argument(self, shard: Shard) -> tuple[bytes, bytes]:
        """The same, but the core is followed by the PEM chain if the verifier takes one."""
        attestation = self.attestation(shard)
        return attestation.quote, attestation.pck_id

    def claims(self, shard: Shard) -> QuoteClaims:
        """The claims that a recheck takes; their hash is the one in contract state. Raises
        `LogMissing`.
        """
        return self.attestation(shard).claims

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

    def rekey(
        self,
        shard_id: ShardId,
        keyset: Keyset,
        *,
        endpoint: str,
        block_number: int,
        quote: bytes,
        pck_id: bytes,
    ) -> Call:
        """By the host, with a fresh quote of an enclave that has new keys."""
        parameters = {
            "shardId": shard_id,
            "signer": keyset.signer,
            "kem": keyset.kem,
            "tls": keyset.tls,
            "endpoint": endpoint,
            "blockNumber": block_number,
        }
        return encode_call(self.contract, "rekey", parameters, quote, pck_id)

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

    def _shard_reads(self, batch: ReadBatch, shard_id: ShardId) -> Callable[[], _ShardState]:
        stored = batch.add(self.contract, "shard", shard_id)
        is_active = batch.add(self.contract, "isActive", shard_id)
        block = batch.add(self.contract, "attestationBlock", shard_id)

        def state() -> _ShardState:
            try:
                attested_in = int(block())
            except ShardReplaced:
                attested_in = None  # the contract no longer has it: the enclave was enrolled again
            return _ShardState(shard_id, stored(), bool(is_active()), attested_in)

        return state

    def _find_attestations(self, states: Sequence[_ShardState], at: Block | None) -> None:
        """Reads the events of those current quotes that are not known yet."""
        missing = [state for state in states if not self._is_known(state)]
        blocks = {
            state.shard_id: state.attested_in for state in missing if state.attested_in is not None
        }
        for found in self.history.in_blocks(blocks) if blocks else ():
            self._keep(found, missing)
        for state in missing:
            if state.attested_in is None:
                last = at.number if at else None
                for found in self.history.of_shard(state.shard_id, last_block=last):
                    self._keep(found, [state])

    def _keep(self, found: Attestation, states: Sequence[_ShardState]) -> None:
        if any((s.shard_id, s.quote_hash) == (found.shard_id, found.quote_hash) for s in states):
            self._attestations[found.shard_id] = found

    def _is_known(self, state: _ShardState) -> bool:
        """By quote, and by block: a shard may renew with the quote that it has."""
        known = self._attestations.get(state.shard_id)
        return (
            known is not None
            and known.quote_hash == state.quote_hash
            and state.attested_in in (None, known.block_number)
        )

    def _verified(self, state: _ShardState) -> Shard:
        """Raises `LogMissing`, `ShardIdentityMismatch`."""
        if not self._is_known(state):
            first = state.attested_in or self._deployment.deployed_at_block
            raise LogMissing(_EVENTS, first)
        attestation, stored = self._attestations[state.shard_id], state.stored
        shard = Shard(
            shard_id=state.shard_id,
            model_id=ModelId(stored.modelId),
            layers=LayerRange(stored.firstLayer, stored.endLayer),
            is_entry=stored.isEntry,
            host=stored.host,
            keyset=replace(attestation.keyset, signer=stored.signer),
            endpoint=attestation.endpoint,
            slice_digest=attestation.slice_digest,
            identity_digest=bytes(stored.identityDigest),
            quote_hash=state.quote_hash,
            measurement=attestation.measurement,
            pck_id=attestation.pck_id,
            platform_id=attestation.claims.platform_id,
            tcb_status=attestation.tcb_status,
            evaluation_number=attestation.evaluation_number,
            collateral_until=attestation.collateral_until,
            attested_until=stored.attestedUntil,
            status=ShardStatus(stored.status),
            is_active=state.is_active,
            bond=stored.bond,
            quoted_block_number=attestation.quoted_block_number,
            quoted_block_hash=attestation.quoted_block_hash,
        )
        computed = self.identity(shard).identity_digest()
        if computed != shard.identity_digest:
            raise ShardIdentityMismatch(shard.shard_id, shard.identity_digest, computed)
        return shard


def _active_ids(page: Any) -> ActiveIds:
    return ActiveIds(tuple(ShardId(each) for each in page.shardIds), int(page.next))
