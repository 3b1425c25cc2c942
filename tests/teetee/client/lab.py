# SPDX-License-Identifier: Apache-2.0
"""A local chain with the real verifier, and simulated enclaves that answer it: everything a wallet
talks to.

The enclaves are threads with the simulator's quotes. Tests script their answers, since a wallet
needs no model; everything they sign and send follows the protocol.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from tee_simulator.collateral.pccs import Pccs
from tee_simulator.guest.enclave import SimulatedEnclave, utc_now
from tee_simulator.http_server import HttpServer
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.chain.deployment import Deployment
from teetee.chain.trusted_models import TrustedModel
from teetee.chain.types.requests import DeclineReason, RequestOpened
from teetee.chain.types.settlements import SettlementParameters
from teetee.client.contracts import Contracts
from teetee.client.hosting.hosting import Hosting
from teetee.client.verification.quote_check import PccsCollateral, QuoteCheck
from teetee.collateral.pccs import PccsReader
from teetee.collateral.synchronization import Synchronization
from teetee.enclave.keys import EnclaveKeys, KeySecrets
from teetee.protocol.answer import Answer
from teetee.protocol.endpoint import ENROL_ALPN, INFO_ALPN, STREAM_ALPN, Endpoint
from teetee.protocol.envelope import open_prompt, seal_answer
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.json import frames as json_frames
from teetee.protocol.keyset import EnclaveIdentity, enrolment_digest, report_data
from teetee.protocol.layers import LayerRange
from teetee.protocol.prompt import Prompt, TemplateTokens
from teetee.protocol.receipts import NO_PREVIOUS_RECEIPT, Settlement, SignedReceipt, StageReceipt
from teetee.protocol.request_secret import RequestContext, RequestSecret
from teetee.protocol.signatures import sign_digest
from teetee.protocol.typed_data import keccak256
from teetee.quotes.quote import Quote
from tests.teetee.chain.local_chain import TEE, LocalChain, compile_contracts, running_anvil
from tests.teetee.chain.world import MANIFEST, World
from tests.teetee.client.entry_server import EntryServer, Send

INPUT_PRICE, OUTPUT_PRICE = TEE // 1000, TEE // 500
ANSWER = "Janus, the god of gates. 🚪"


class AttestedChain(LocalChain):
    """Quotes have to be real ones, up to the given root."""

    def __init__(self, url: str, root_der: bytes) -> None:
        self._root_der = root_der
        self._certificates = ""
        super().__init__(url)

    def create(self, name: str, *arguments: Any) -> Contract:
        if name != "AcceptingVerifier":
            return super().create(name, *arguments)
        certificates = super().create("PckCertificates", self._root_der)
        self._certificates = str(certificates.address)
        return super().create("DcapVerifier", certificates.address)

    def _deploy(self) -> Deployment:
        plain = super()._deploy()
        fields = {name: getattr(plain, name) for name in Deployment.__slots__}
        fields["certificates"] = self._certificates
        fields["root_ca_fingerprint"] = hashlib.sha256(self._root_der).digest()
        return Deployment(**fields)


@dataclass
class LabEnclave:
    """One enclave: a simulated machine, its keys, and its open port."""

    guest: SimulatedEnclave
    keys: EnclaveKeys
    identity: EnclaveIdentity
    host: LocalAccount
    server: EntryServer
    shard_id: ShardId | None = None

    @property
    def endpoint(self) -> str:
        return self.server.endpoint


@dataclass
class Lab:
    """The chain, its contracts, and collateral; makes enclaves."""

    chain: AttestedChain
    pki: SimulatedPki
    folder: Path
    world: World = field(init=False)
    pccs: HttpServer = field(init=False)
    model_id: ModelId = field(init=False)
    enclaves: list[LabEnclave] = field(default_factory=list)
    texts: dict[int, list[str]] = field(default_factory=dict)
    """What is streamed, by request."""
    template: TemplateTokens | None = None
    """What entries say of their chat template."""

    def __post_init__(self) -> None:
        self.world = World(self.chain)
        self.pccs = HttpServer.on_loopback(0, Pccs(self.pki, utc_now))
        self.deployment_file = self.folder / "deployment.json"
        self.chain.deployment.save(self.deployment_file)
        self.model_id = self._publish()

    @property
    def pccs_url(self) -> str:
        return f"http://127.0.0.1:{self.pccs.port}"

    def contracts(self) -> Contracts:
        return Contracts.connect(self.chain.deployment, [self.chain.url])

    def quote_check(self) -> QuoteCheck:
        return QuoteCheck(
            self.contracts().certificates,
            PccsCollateral(self.pccs_url),
            root_fingerprint=self.chain.deployment.root_ca_fingerprint,
        )

    def synchronization(self, account: LocalAccount) -> Synchronization:
        """Brings the simulator's collateral to the chain, at that account's cost."""
        contracts = self.contracts()
        return Synchronization(
            PccsReader(self.pccs_url),
            contracts.collateral,
            contracts.certificates,
            self.world.sender(account),
            root_fingerprint=contracts.deployment.root_ca_fingerprint,
        )

    def close(self) -> None:
        self.pccs.stop()
        for enclave in self.enclaves:
            enclave.server.__exit__()

    # ------------------------------------------------------------ enclaves

    def enclave(self, first: int, end: int, *, is_entry: bool = False) -> LabEnclave:
        """Started, not enrolled; its host has tokens for the bond."""
        guest = self._guest(f"enclave-{len(self.enclaves)}")
        host = self.world.account("shard host", tokens=1000 * TEE)
        return self._start(guest, host, LayerRange(first, end), is_entry=is_entry)

    def rebooted(self, enclave: LabEnclave, layers: LayerRange | None = None) -> LabEnclave:
        """The same machine and host, with new keys: not rekeyed, and at another port."""
        identity = enclave.identity
        return self._start(
            enclave.guest, enclave.host, layers or identity.layers, is_entry=identity.is_entry
        )

    def _start(
        self, guest: SimulatedEnclave, host: LocalAccount, layers: LayerRange, *, is_entry: bool
    ) -> LabEnclave:
        number = len(self.enclaves)
        keys = EnclaveKeys.from_secrets(KeySecrets.fresh())
        self.chain.fund(keys.keyset.signer)
        identity = EnclaveIdentity(
            chain_id=self.chain.deployment.chain_id,
            registry=self.chain.deployment.registry,
            host=str(host.address),
            model_id=self.model_id,
            layers=layers,
            is_entry=is_entry,
            slice_digest=MANIFEST.slice_digest(layers, is_entry),
            keyset=keys.keyset,
        )
        server = EntryServer(
            keys,
            STREAM_ALPN,
            self._stream,
            {
                ENROL_ALPN: lambda asked, send: self._state(number, asked, send),
                INFO_ALPN: lambda _, send: self._say_info(keys, send),
            },
        )
        enclave = LabEnclave(guest, keys, identity, host, server)
        server.__enter__()
        self.enclaves.append(enclave)
        return enclave

    def _guest(self, name: str) -> SimulatedEnclave:
        return SimulatedEnclave.open(self.folder / "enclaves", name, self.pki)

    def _publish(self) -> ModelId:
        image = Quote.parse(self._guest("image").get_quote(bytes(64))).report.measurement
        registry = self.chain.contract("ShardRegistry", self.chain.deployment.registry)
        parameters = (
            MANIFEST.name,
            list(MANIFEST.layer_digests),
            MANIFEST.embedding_digest,
            MANIFEST.head_digest,
            MANIFEST.context_length,
            2,
            INPUT_PRICE,
            OUTPUT_PRICE,
            300,
            self.chain.treasury.address,
            0,  # minimum evaluation number
            "ipfs://test-model",
        )
        publish = registry.functions.publishModel(parameters, [image])
        self.chain.act(self.chain.deployer, publish)
        model_id = ModelId(self.world.registry.model_count())
        self.trust(
            TrustedModel(
                model_id=model_id,
                name=MANIFEST.name,
                digest=self.world.registry.model(model_id).digest,
                measurements=(image,),
            )
        )
        return model_id

    def trust(self, model: TrustedModel) -> None:
        """Name the model in the deployment file."""
        self.chain.deployment = self.chain.deployment.with_model(model)
        self.chain.deployment.save(self.deployment_file)

    # ------------------------------------------------------------ what enclaves say

    def _state(self, number: int, asked: dict[str, Any], send: Send) -> None:
        """`teetee-enrol/1`."""
        enclave = self.enclaves[number]
        identity = enclave.identity
        digest = identity.identity_digest()
        block, block_hash = asked["blockNumber"], bytes.fromhex(asked["blockHash"][2:])
        signature = sign_digest(
            enclave.keys.signer,
            enrolment_digest(
                chain_id=identity.chain_id,
                registry=identity.registry,
                identity_digest=digest,
                endpoint=asked["endpoint"],
                payout=asked["payout"],
                block_number=block,
            ),
        )
        reply = {
            **identity.to_json(),
            "quote": "0x" + enclave.guest.get_quote(report_data(digest, block, block_hash)).hex(),
            "signature": "0x" + signature.to_bytes().hex(),
        }
        send(json_frames.encode(reply))

    def _say_info(self, keys: EnclaveKeys, send: Send) -> None:
        """`teetee-info/1`."""
        template = None if self.template is None else self.template.to_json()
        sealing_key = "0x" + keys.kem.public_key.data.hex()
        send(json_frames.encode({"templateTokens": template, "sealingKey": sealing_key}))

    def _stream(self, asked: dict[str, Any], send: Send) -> None:
        """`teetee-stream/1`."""
        pieces = self.texts.get(asked["requestId"])
        if pieces is None:
            send(json_frames.encode({"error": "unknown"}))
            return
        for piece in pieces:
            send(json_frames.encode({"text": piece}))
        send(json_frames.encode({"done": True, "finishReason": "stop"}))

    # ------------------------------------------------------------ what enclaves do

    def open_envelope(self, opened: RequestOpened) -> tuple[RequestSecret, RequestContext, Prompt]:
        """As the primary recipient."""
        context = RequestContext(
            chain_id=self.chain.deployment.chain_id,
            escrow=self.chain.deployment.escrow,
            requester=opened.requester,
            model_id=opened.model_id,
            client_nonce=opened.client_nonce,
        )
        primary = opened.recipients[0]
        entry = next(each for each in self.enclaves if each.shard_id == primary)
        secret, prompt = open_prompt(opened.envelope, context, primary, entry.keys.kem)
        return secret, context, prompt

    def settle(
        self,
        opened: RequestOpened,
        path: list[LabEnclave],
        text: str = ANSWER,
        *,
        in_batch: bool = False,
    ) -> None:
        """What an honest path does."""
        secret, context, _ = self.open_envelope(opened)
        answer = Answer(text, tuple(range(5)), "stop", 20, 5)
        sealed = seal_answer(answer, secret, context, opened.request_id)
        settlement = self._signed(opened.request_id, path, sealed)
        escrow = self.world.escrow
        call = escrow.settle_batch([settlement]) if in_batch else escrow.settle(settlement)
        self.world.sender(path[0].keys.signer).send(call)

    def decline(self, opened: RequestOpened, entry: LabEnclave, reason: DeclineReason) -> None:
        """As the entry's signer."""
        call = self.world.escrow.decline([opened.request_id], reason)
        self.world.sender(entry.keys.signer).send(call)

    def _signed(
        self, request_id: RequestId, path: list[LabEnclave], sealed: bytes
    ) -> SettlementParameters:
        domain = self.world.receipt_domain
        receipts: list[SignedReceipt] = []
        previous = NO_PREVIOUS_RECEIPT
        for hop, enclave in enumerate(path):
            assert enclave.shard_id is not None
            receipt = StageReceipt(
                request_id=request_id,
                model_id=self.model_id,
                shard_id=enclave.shard_id,
                layers=enclave.identity.layers,
                identity_digest=enclave.identity.identity_digest(),
                first_position=0,
                end_position=24,
                input_commitment=keccak256(b"hop %d" % hop),
                output_commitment=keccak256(b"hop %d" % (hop + 1)),
                previous_receipt=previous,
            )
            receipts.append(receipt.sign(enclave.keys.signer, domain))
            previous = receipt.struct_hash()
        request = self.world.escrow.request_of(request_id)
        closing = Settlement(
            request_id,
            request.requester,
            request.nonce_prefix,
            20,
            5,
            keccak256(sealed),
            previous,
        )
        signed = closing.sign(path[0].keys.signer, domain)
        return SettlementParameters.from_signed(signed, tuple(receipts), sealed)


class AtWork:
    """An entry's oracle in a thread: does `work` with each request opened while it is entered."""

    def __init__(self, lab: Lab, work: Callable[[RequestOpened], None]) -> None:
        self._lab = lab
        self._work = work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure: BaseException | None = None

    def __enter__(self) -> AtWork:
        self._handled = self._lab.world.escrow.request_count()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        world = self._lab.world
        while not self._stop.wait(0.05):
            try:
                while self._handled < world.escrow.request_count():
                    self._handled += 1
                    request = world.escrow.request_of(RequestId(self._handled))
                    self._work(world.history.opened(request))
            except Exception as error:  # noqa: BLE001 - handed to the test's thread
                self.failure = error
                return


def enrol(lab: Lab, enclave: LabEnclave) -> None:
    """By its host, as `teetee host enrol` does."""
    hosting = Hosting(
        lab.contracts(),
        enclave.host,
        lab.world.sender(enclave.host),
        quotes=lab.quote_check(),
        notify=lambda _: None,
        collateral=lab.synchronization(enclave.host),
    )
    listening_at = Endpoint.parse(enclave.endpoint)
    verified = hosting.verify_enclave(listening_at, enclave.endpoint, str(enclave.host.address))
    enclave.shard_id = hosting.enrol(verified).shard_id


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """A fresh chain with an entry and two more enclaves, enrolled."""
    compile_contracts()
    pki = SimulatedPki.from_seed(b"the wallet's tests" + bytes(14))
    with running_anvil() as url:
        lab = Lab(AttestedChain(url, pki.root.der), pki, folder)
        for first, end, is_entry in ((0, 2, True), (2, 4, False), (4, 6, False)):
            enrol(lab, lab.enclave(first, end, is_entry=is_entry))
        yield lab
        lab.close()


@contextmanager
def borrowed(lab: Lab) -> Iterator[None]:
    """Afterwards, chain and enclaves are as before."""
    snapshot = lab.chain.rpc("evm_snapshot")
    enclaves = list(lab.enclaves)
    yield
    lab.chain.rpc("evm_revert", snapshot)
    for enclave in lab.enclaves[len(enclaves) :]:
        enclave.server.__exit__()
    lab.enclaves[:] = enclaves
    lab.texts.clear()
    lab.template = None
