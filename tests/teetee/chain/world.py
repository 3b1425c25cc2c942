# SPDX-License-Identifier: Apache-2.0
"""A world for chain tests: a published model, shards with their keys, the bindings under test."""

from dataclasses import dataclass
from itertools import count

from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount

from teetee.chain.calldata import Call
from teetee.chain.connection import Connection
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.escrow_history import EscrowHistory
from teetee.chain.contracts.registry import Enrolment, Registry
from teetee.chain.contracts.token import Token
from teetee.chain.transactions.fee_policy import SendingPolicy
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import RequestParameters
from teetee.chain.types.settlements import SettlementParameters
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.keyset import EnclaveIdentity, Keyset, enrolment_digest, report_data
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from teetee.protocol.receipts import (
    NO_PREVIOUS_RECEIPT,
    Settlement,
    SignedReceipt,
    StageReceipt,
)
from teetee.protocol.sealing.key import SealingPrivateKey
from teetee.protocol.signatures import sign_digest
from teetee.protocol.typed_data import Domain, escrow_domain, keccak256
from teetee.quotes.tcb_status import TcbStatus
from tests.teetee.chain.local_chain import BOND, TEE, LocalChain, role

MEASUREMENT = keccak256(b"an allowed image")
PCK_ID = keccak256(b"a platform's certificate")
EVALUATION_NUMBER = 17
PLATFORM = keccak256(b"a platform")
INPUT_PRICE, OUTPUT_PRICE = TEE // 1000, TEE // 500
MANIFEST = ModelManifest(
    name="test-model",
    layer_count=6,
    config_digest=bytes(32),
    layer_digests=tuple(keccak256(b"layer %d" % layer) for layer in range(6)),
    embedding_digest=keccak256(b"embedding"),
    head_digest=keccak256(b"head"),
    context_length=2048,
)
_numbers = count(1)


def accepted_quote(data: bytes, measurement: bytes, *, platform: bytes = bytes(32)) -> bytes:
    """A "quote" with that report data, of 64 bytes: the ABI-encoded VerifiedQuote that
    AcceptingVerifier believes.
    """
    claims = (keccak256(data), measurement, platform, *(bytes(32),) * 5)
    kinds = f"(({','.join(['bytes32'] * 8)}),bytes32,bytes32,uint8,uint16,uint40,uint40)"
    verdict = (TcbStatus.UP_TO_DATE.value, EVALUATION_NUMBER, 0, 0)
    return encode([kinds], [(claims, data[:32], data[32:], *verdict)])


@dataclass(frozen=True)
class Enclave:
    """An enrolled shard with its private keys."""

    shard_id: ShardId
    identity: EnclaveIdentity
    signer: LocalAccount
    kem: SealingPrivateKey
    host: LocalAccount
    quote_core: bytes


@dataclass(frozen=True)
class Network:
    """A model that two enclaves serve: [0, 4) with the entry, [4, 6) without."""

    model_id: ModelId
    entry: Enclave
    tail: Enclave


class World:
    """Bindings to one local chain, and actions with defaults."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain
        self.deployment = chain.deployment
        self.connection = Connection([chain.url], chain_id=chain.deployment.chain_id)
        self.registry = Registry(self.connection, self.deployment)
        self.escrow = Escrow(self.connection, self.deployment)
        self.history = EscrowHistory(self.connection, self.deployment, self.escrow)
        self.token = Token(self.connection, self.deployment)

    @property
    def receipt_domain(self) -> Domain:
        """What receipts for this chain's escrow are signed for."""
        return escrow_domain(self.deployment.chain_id, self.deployment.escrow)

    def account(self, name: str, *, tokens: int = 0) -> LocalAccount:
        """A new account with ETH, and with tokens if any are given."""
        account = role(f"{name} {next(_numbers)}")
        self.chain.fund(account.address)
        if tokens:
            self.chain.give_tokens(account.address, tokens)
        return account

    def account_without_mining(self, name: str, *, tokens: int) -> LocalAccount:
        """The same while blocks are mined on demand: mines some."""
        self.chain.rpc("evm_setAutomine", True)
        account = self.account(name, tokens=tokens)
        self.chain.rpc("evm_setAutomine", False)
        return account

    def sender(
        self, account: LocalAccount, policy: SendingPolicy | None = None
    ) -> TransactionSender:
        """Polls often: anvil includes transactions immediately."""
        return TransactionSender(self.connection, account, policy=policy, poll_seconds=0.02)

    def publish_model(self) -> ModelId:
        """A model of six layers, with one allowed measurement."""
        registry = self.chain.contract("ShardRegistry", self.deployment.registry)
        parameters = (
            MANIFEST.name,
            list(MANIFEST.layer_digests),
            MANIFEST.embedding_digest,
            MANIFEST.head_digest,
            MANIFEST.context_length,
            2,  # entry layer equivalents
            INPUT_PRICE,
            OUTPUT_PRICE,
            300,  # royalty, in 1/10000
            self.chain.treasury.address,
            0,  # minimum evaluation number
            "ipfs://test-model",
        )
        publish = registry.functions.publishModel(parameters, [MEASUREMENT])
        self.chain.act(self.chain.deployer, publish)
        return ModelId(self.registry.model_count())

    def quote_of(self, identity: EnclaveIdentity, block: Block) -> bytes:
        """The encoding that AcceptingVerifier accepts as a quote."""
        data = report_data(identity.identity_digest(), block.number, block.hash)
        return accepted_quote(data, MEASUREMENT, platform=PLATFORM)

    def enrol(
        self,
        model_id: ModelId,
        first: int,
        end: int,
        *,
        is_entry: bool = False,
        signed_by: LocalAccount | None = None,
    ) -> Enclave:
        """Enrol a new shard, with its own host, bond and enclave."""
        host = self.account("shard host", tokens=BOND)
        seed = keccak256(b"enclave %d" % next(_numbers))
        signer: LocalAccount = Account.from_key(keccak256(seed + b"signer"))
        self.chain.fund(signer.address)
        kem = SealingPrivateKey.from_seed(keccak256(seed + b"kem"))
        keyset = Keyset(str(signer.address), kem.public_key.digest, keccak256(seed + b"tls"))
        layers = LayerRange(first, end)
        identity = EnclaveIdentity(
            chain_id=self.deployment.chain_id,
            registry=self.deployment.registry,
            host=str(host.address),
            model_id=model_id,
            layers=layers,
            is_entry=is_entry,
            slice_digest=MANIFEST.slice_digest(layers, is_entry),
            keyset=keyset,
        )
        block = self.connection.head()
        sender = self.sender(host)
        sender.send(self.token.approve(self.deployment.registry, BOND))
        sender.send(self._enrolment(identity, block, signed_by or signer))
        shard_id = self.registry.shard_of(keyset.signer)
        assert shard_id is not None
        quote = self.quote_of(identity, block)
        return Enclave(shard_id, identity, signer, kem, host, quote)

    def _enrolment(self, identity: EnclaveIdentity, block: Block, signer: LocalAccount) -> Call:
        enrolment = Enrolment(
            model_id=identity.model_id,
            layers=identity.layers,
            is_entry=identity.is_entry,
            keyset=identity.keyset,
            endpoint="127.0.0.1:7700",
            payout=identity.host,
            block_number=block.number,
        )
        digest = enrolment_digest(
            chain_id=self.deployment.chain_id,
            registry=self.deployment.registry,
            identity_digest=identity.identity_digest(),
            endpoint=enrolment.endpoint,
            payout=enrolment.payout,
            block_number=block.number,
        )
        quote = self.quote_of(identity, block)
        return self.registry.enrol(enrolment, quote, PCK_ID, sign_digest(signer, digest))

    def enrol_again(self, enclave: Enclave) -> None:
        """Enrol the same enclave again, with a valid enrolment."""
        identity = enclave.identity
        block = self.connection.head()
        self.chain.give_tokens(identity.host, BOND)
        sender = self.sender(enclave.host)
        sender.send(self.token.approve(self.deployment.registry, BOND))
        sender.send(self._enrolment(identity, block, enclave.signer))

    def open_request(
        self, network: Network, requester: LocalAccount, **changes: object
    ) -> RequestId:
        """A paid request to the network's entry."""
        sender = self.sender(requester)
        sender.send(self.token.approve(self.deployment.escrow, TEE))
        parameters = self.parameters(network.model_id, network.entry, **changes)
        opened = self.history.opened_in(sender.send(self.escrow.request(parameters)).logs)
        assert opened is not None
        return opened.request_id

    def parameters(
        self, model_id: ModelId, *recipients: Enclave, **changes: object
    ) -> RequestParameters:
        """Parameters within all limits."""
        values: dict[str, object] = {
            "model_id": model_id,
            "recipients": tuple(enclave.shard_id for enclave in recipients),
            "max_input_tokens": 100,
            "max_output_tokens": 50,
            "max_deposit": TEE,
            "deadline": self.chain.now() + 600,
            "client_nonce": keccak256(b"nonce %d" % next(_numbers)),
            "envelope": b"sealed" * 100,
        }
        return RequestParameters(**(values | changes))  # type: ignore[arg-type]

    def settlement(
        self,
        request_id: RequestId,
        *path: Enclave,
        input_tokens: int = 20,
        output_tokens: int = 10,
        answer: bytes = b"sealed answer",
    ) -> SettlementParameters:
        """The settlement that an honest path signs."""
        receipts: list[SignedReceipt] = []
        previous = NO_PREVIOUS_RECEIPT
        for stage, enclave in enumerate(path):
            receipt = StageReceipt(
                request_id=request_id,
                model_id=enclave.identity.model_id,
                shard_id=enclave.shard_id,
                layers=enclave.identity.layers,
                identity_digest=enclave.identity.identity_digest(),
                first_position=0,
                end_position=input_tokens + output_tokens - 1,
                input_commitment=keccak256(b"hop %d" % stage),
                output_commitment=keccak256(b"hop %d" % (stage + 1)),
                previous_receipt=previous,
            )
            receipts.append(receipt.sign(enclave.signer, self.receipt_domain))
            previous = receipt.struct_hash()
        request = self.escrow.request_of(request_id)
        closing = Settlement(
            request_id,
            request.requester,
            request.nonce_prefix,
            input_tokens,
            output_tokens,
            keccak256(answer),
            previous,
        )
        signed = closing.sign(path[0].signer, self.receipt_domain)
        return SettlementParameters.from_signed(signed, tuple(receipts), answer)
