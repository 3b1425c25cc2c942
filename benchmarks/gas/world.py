# SPDX-License-Identifier: Apache-2.0
"""Deploys the real contracts, quote verifier included, and enrols simulated enclaves."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from benchmarks.gas.chain import CHAIN_ID, Chain, account
from benchmarks.gas.collateral import upload_simulated
from tee_simulator.collateral.conditions import Conditions
from tee_simulator.collateral.issue import EVALUATION_NUMBER, issue
from tee_simulator.guest.machine import Machine
from tee_simulator.guest.measurements import GuestMeasurements
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.keyset import EnclaveIdentity, Keyset, enrolment_digest, report_data
from teetee.protocol.layers import LayerRange
from teetee.protocol.signatures import sign_digest
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.claims import QuoteClaims, pck_record
from teetee.quotes.quote import Quote

TEE = 10**18
LAYERS = 30
"""As in SmolLM2-135M. The gas of a settlement does not depend on it, that of an enrolment slightly.
"""
SPLIT = 15
BOND, PENALTY = 1000 * TEE, 50 * TEE
INPUT_PRICE, OUTPUT_PRICE = 10**15, 3 * 10**15
DAY = 86_400
ENDPOINT = "shard-00.teetee.example:8443"
REVOKED = tuple("7f" + keccak(text=f"revoked {number}")[:19].hex() for number in range(57))
"""As many serial numbers, of the same size, as in Intel's platform CRL of 2026-08."""


@dataclass(frozen=True)
class EnrolledShard:
    """A shard and its enclave's key."""

    shard_id: ShardId
    layers: LayerRange
    signer: LocalAccount
    identity_digest: bytes
    quote_core: bytes


class GasWorld:
    """The contracts and accounts that a request needs. The deployer has all roles."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.deployer = account("deployer")
        self.treasury = account("treasury")
        for payer in (self.deployer, self.treasury):
            chain.fund(payer.address)
        self._pki = SimulatedPki.from_seed(bytes(32))
        moment = datetime.fromtimestamp(chain.now(), UTC)
        self._machine = Machine.from_seed(bytes(32), self._pki, moment)
        self._guest = GuestMeasurements.of(
            compose_hash=bytes(32), app_id=bytes(20), instance_id=bytes(20)
        )
        probe = self._machine.quote(self._guest, bytes(64))
        self._leaf, self._authority, self._root = Quote.parse(probe).pck_chain_der()
        self._measurement = Quote.parse(probe).report.measurement
        self.publication_gas = 0
        self._deploy()
        self.model_id = self._publish()

    # ------------------------------------------------------------ deployment

    def _deploy(self) -> None:
        create = self.chain.create
        setup = create(self.deployer, "AccessSetup")
        manager = setup.functions.MANAGER().call()
        supply = (10**9 * TEE, 0, 0, 0)
        self.token = create(self.deployer, "UsageToken", self.treasury.address, *supply)
        certificates = create(self.deployer, "PckCertificates", self._root)
        verifier = create(self.deployer, "DcapVerifier", certificates.address)
        moment = datetime.fromtimestamp(self.chain.now(), UTC)
        partners = (manager, self.token.address, verifier.address)
        terms = (BOND, 30 * DAY, 2 * DAY)
        self.registry = create(self.deployer, "ShardRegistry", *partners, *terms)
        accounts = (self.token.address, self.registry.address, self.treasury.address)
        limits = (250, PENALTY, 60, 3600, 70_000, 100_000, 100, 1_000_000)
        self.escrow = create(self.deployer, "InferenceEscrow", manager, (*accounts, *limits))
        holders = (self.deployer.address,) * 4
        configure = setup.functions.configure(
            self.registry.address, self.escrow.address, holders, (0, 0)
        )
        self.chain.send(self.deployer, "configuring", configure)
        self.chain.send(
            self.deployer,
            "adding the authority",
            certificates.functions.addAuthority(self._authority),
        )
        authority_id = certificate_id(self._authority)
        add = certificates.functions.addPckCertificate(self._leaf, authority_id)
        self.chain.send(self.deployer, "adding the PCK certificate", add)
        upload_simulated(
            self.chain,
            self.deployer,
            certificates,
            verifier,
            issue(self._pki, moment, Conditions(revoked_pcks=REVOKED)),
            self._pki.tcb_signing.der,
            authority_id,
        )

    def _publish(self) -> ModelId:
        digests = [keccak(text=f"layer {index}") for index in range(LAYERS)]
        parameters = (
            "SmolLM2-135M-Instruct",
            digests,
            keccak(text="embedding"),
            keccak(text="head"),
            8192,
            4,
            INPUT_PRICE,
            OUTPUT_PRICE,
            500,
            account("royalty recipient").address,
            EVALUATION_NUMBER,
            "ipfs://manifest",
        )
        publish = self.registry.functions.publishModel(parameters, [self._measurement])
        self.publication_gas = self.chain.gas(self.deployer, "publishing", publish)
        return ModelId(1)

    # ------------------------------------------------------------ accounts and shards

    def funded(self, name: str) -> LocalAccount:
        """An account with ETH, tokens, and token allowances for registry and escrow."""
        holder = account(name)
        self.chain.fund(holder.address)
        give = self.token.functions.transfer(holder.address, 100_000 * TEE)
        self.chain.send(self.treasury, "funding", give)
        for spender in (self.registry.address, self.escrow.address):
            approve = self.token.functions.approve(spender, 2**256 - 1)
            self.chain.send(holder, "approving", approve)
        return holder

    def enrol(self, host: LocalAccount, name: str, layers: LayerRange) -> tuple[EnrolledShard, int]:
        """Enrols an enclave with full quote verification; returns the shard and the gas."""
        signer = account(f"enclave {name}")
        keyset = Keyset(signer.address, secrets.token_bytes(32), secrets.token_bytes(32))
        is_entry = layers.first == 0
        digest = self._slice_digest(layers, is_entry)
        identity = EnclaveIdentity(
            chain_id=CHAIN_ID,
            registry=self.registry.address,
            host=host.address,
            model_id=self.model_id,
            layers=layers,
            is_entry=is_entry,
            slice_digest=digest,
            keyset=keyset,
        )
        core, enrolment = self._enrolment(identity, signer)
        gas = self.chain.gas(host, "enrolling", enrolment)
        shard_id = ShardId(int(self.registry.functions.shardOf(signer.address).call()))
        return EnrolledShard(shard_id, layers, signer, identity.identity_digest(), core), gas

    def recheck(self, shard: EnrolledShard) -> Any:
        """The recheck call."""
        facts = pck_record(self._leaf, self._authority, self._root, index=1)
        claims = QuoteClaims.from_core(shard.quote_core, facts)
        return self.registry.functions.recheck(shard.shard_id, claims.to_abi())

    def _slice_digest(self, layers: LayerRange, is_entry: bool) -> bytes:
        arguments = (self.model_id, layers.first, layers.end, is_entry)
        return bytes(self.registry.functions.sliceDigest(*arguments).call())

    def _enrolment(self, identity: EnclaveIdentity, signer: LocalAccount) -> tuple[bytes, Any]:
        # The second newest block: an estimate does not know the hash of the block it builds on.
        quoted = self.chain.web3.eth.get_block(self.chain.web3.eth.block_number - 1)
        number, block_hash = int(quoted["number"]), bytes(quoted["hash"])
        bound = report_data(identity.identity_digest(), number, block_hash)
        core = Quote.parse(self._machine.quote(self._guest, bound)).core
        payout = account(f"payout of {identity.host}").address
        digest = enrolment_digest(
            chain_id=CHAIN_ID,
            registry=self.registry.address,
            identity_digest=identity.identity_digest(),
            endpoint=ENDPOINT,
            payout=payout,
            block_number=number,
        )
        parameters = (
            identity.model_id,
            identity.layers.first,
            identity.layers.end,
            identity.is_entry,
            identity.keyset.signer,
            identity.keyset.kem,
            identity.keyset.tls,
            ENDPOINT,
            payout,
            number,
        )
        enrol = self.registry.functions.enrol(
            parameters,
            core,
            certificate_id(self._leaf),
            sign_digest(signer, digest).to_rsv(),
        )
        return core, enrol
