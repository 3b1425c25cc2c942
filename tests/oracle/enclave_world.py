# SPDX-License-Identifier: Apache-2.0
"""A local chain, a tiny published model, an oracle process enrolled through its own endpoint, and a
requester.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from shard_runtime import build_manifest, open_model
from teetee.chain.connection import Connection
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.escrow_history import EscrowHistory
from teetee.chain.contracts.registry import Enrolment, Registry
from teetee.chain.contracts.token import Token
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.requests import Request, RequestParameters, RequestSettled, RequestStatus
from teetee.client.hosting.enclave_statement import (
    EnclaveStatement,
    StatementRequest,
    check_statement,
    fetch_statement,
)
from teetee.client.requests.answer_stream import Piece, read_stream
from teetee.client.requests.entry_info import fetch_sealing_key
from teetee.errors import Retryable, TeeTeeError
from teetee.protocol.answer import Answer
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.envelope import open_answer, seal_prompt
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.keyset import EnclaveIdentity
from teetee.protocol.prompt import Message, Prompt, Sampling
from teetee.protocol.request_secret import RequestContext, RequestSecret
from teetee.protocol.sealing.key import SealingPublicKey
from tests.oracle.oracle_process import CrashPoint, OracleProcess
from tests.oracle.tiny_llama import CONTEXT, save_tiny_llama
from tests.teetee.chain.local_chain import BOND, CHAIN_ID, TEE, LocalChain, free_port, role

MEASUREMENT = b"an allowed image".ljust(32, b".")
PCK_ID = b"a platform's certificate".ljust(32, b".")
SECONDS = 40.0
_numbers = count(1)


class Asked:
    """A request, and what its requester keeps to read the answer."""

    def __init__(
        self, request_id: RequestId, secret: RequestSecret, context: RequestContext
    ) -> None:
        self.request_id = request_id
        self.secret = secret
        self.context = context


class EnclaveWorld:
    """One chain and one model; oracles are started and stopped by the tests."""

    def __init__(self, chain: LocalChain, folder: Path) -> None:
        self.chain = chain
        self.folder = folder
        self.deployment_file = folder / "deployment.json"
        chain.deployment.save(self.deployment_file)
        self.connection = Connection([chain.url], chain_id=CHAIN_ID)
        self.registry = Registry(self.connection, chain.deployment)
        self.escrow = Escrow(self.connection, chain.deployment)
        self.history = EscrowHistory(self.connection, chain.deployment, self.escrow)
        self.token = Token(self.connection, chain.deployment)
        save_tiny_llama(folder / "model")
        self.model_id = self._publish()
        self.sealing_keys: dict[ShardId, SealingPublicKey] = {}
        self.requester = self.account("requester", tokens=1_000 * TEE)
        self.sender(self.requester).send(self.token.approve(chain.deployment.escrow, 1_000 * TEE))

    # -- the cast ------------------------------------------------------------------------------

    def account(self, name: str, *, tokens: int = 0) -> LocalAccount:
        """A fresh role with ETH, and with tokens if wanted."""
        account = role(f"oracle test {name} {next(_numbers)}")
        self.chain.fund(account.address)
        if tokens:
            self.chain.give_tokens(account.address, tokens)
        return account

    def sender(self, account: LocalAccount) -> TransactionSender:
        """Looks often: anvil includes at once."""
        return TransactionSender(self.connection, account, poll_seconds=0.02)

    def _publish(self) -> ModelId:
        manifest = build_manifest(open_model(str(self.folder / "model")))
        registry = self.chain.contract("ShardRegistry", self.chain.deployment.registry)
        parameters = (
            manifest.name,
            list(manifest.layer_digests),
            manifest.embedding_digest,
            manifest.head_digest,
            CONTEXT,
            2,
            TEE // 1000,
            TEE // 500,
            300,
            self.chain.treasury.address,
            0,  # minimum evaluation number
            "ipfs://tiny",
        )
        self.chain.act(
            self.chain.deployer, registry.functions.publishModel(parameters, [MEASUREMENT])
        )
        return ModelId(self.registry.model_count())

    # -- the requester -------------------------------------------------------------------------

    def ask(
        self,
        shard_id: ShardId,
        text: str = "w1 w2 w3",
        *,
        window: int = 600,
        key: SealingPublicKey | None = None,
    ) -> Asked:
        """A paid question to one entry; another `key` makes an envelope that it cannot open."""
        sealed_to = key or self.sealing_keys[shard_id]
        secret = RequestSecret.fresh()
        nonce = next(_numbers).to_bytes(32)
        context = RequestContext(
            chain_id=CHAIN_ID,
            escrow=self.chain.deployment.escrow,
            requester=str(self.requester.address),
            model_id=self.model_id,
            client_nonce=nonce,
        )
        prompt = Prompt(
            (Message("user", text),), Sampling(max_tokens=12, temperature=1.0, seed=None)
        )
        parameters = RequestParameters(
            model_id=self.model_id,
            recipients=(shard_id,),
            max_input_tokens=50,
            max_output_tokens=20,
            max_deposit=TEE,
            deadline=self.chain.now() + window,
            client_nonce=nonce,
            envelope=seal_prompt(prompt, secret, context, [(shard_id, sealed_to)]),
        )
        sent = self.sender(self.requester).send(self.escrow.request(parameters))
        opened = self.history.opened_in(sent.logs)
        assert opened is not None
        return Asked(opened.request_id, secret, context)

    def await_end(self, asked: Asked) -> Request:
        """The request, once it is open no more."""
        deadline = time.monotonic() + SECONDS
        while True:
            request = self.escrow.request_of(asked.request_id)
            if request.status is not RequestStatus.OPEN:
                return request
            assert time.monotonic() < deadline, f"request {asked.request_id} stays open"
            time.sleep(0.05)  # another process ends it: there is no event to await

    def listen(self, port: int, shard_id: ShardId, asked: Asked) -> Iterator[str]:
        """Pieces of text as they come, until the answer is whole. Raises `Retryable` when the
        request does not run (yet), or the connection breaks.
        """
        for event in read_stream(
            Endpoint("127.0.0.1", port),
            tls=self.registry.shard(shard_id).keyset.tls,
            request_id=asked.request_id,
            proof=asked.secret.stream_proof(asked.context, asked.request_id),
            stopped=lambda: False,
        ):
            if isinstance(event, Piece):
                yield event.text

    def await_stream(self, port: int, shard_id: ShardId, asked: Asked) -> str:
        """The first text that comes."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return next(self.listen(port, shard_id, asked))
            except Retryable:
                assert time.monotonic() < deadline, f"request {asked.request_id} does not run"
                time.sleep(0.02)  # it does not run yet: there is no event to await

    def ends(self, asked: Asked) -> int:
        """How many times it ended, by all events of the chain."""
        names = ("RequestSettled", "RequestDeclined", "RequestRefunded")
        return sum(
            len(
                self.escrow.contract.events[name]().get_logs(
                    from_block=0, argument_filters={"requestId": asked.request_id}
                )
            )
            for name in names
        )

    def read_answer(self, asked: Asked) -> tuple[RequestSettled, Answer]:
        """The settlement, and the answer in it."""
        settled = self.history.ended(self.escrow.request_of(asked.request_id))
        assert isinstance(settled, RequestSettled)
        answer = open_answer(settled.answer, asked.secret, asked.context, asked.request_id)
        return settled, answer


class LocalEnclave:
    """An entry over the whole model, unless told otherwise: its process can be started again and
    again.
    """

    def __init__(self, world: EnclaveWorld, name: str, **settings: str) -> None:
        self.world = world
        self.host = world.account(f"host of {name}", tokens=BOND)
        self.folder = world.folder / name
        self.folder.mkdir()
        self.log = self.folder / "log.jsonl"
        self.port = free_port()
        self.settings = {
            "TEETEE_RPC_URL": world.chain.url,
            "TEETEE_CHAIN_ID": str(CHAIN_ID),
            "TEETEE_DEPLOYMENT": str(world.deployment_file),
            "TEETEE_HOST": str(self.host.address),
            "TEETEE_MODEL_ID": str(world.model_id),
            "TEETEE_MODEL": str(world.folder / "model"),
            "TEETEE_LAYERS": "0-4",
            "TEETEE_IS_ENTRY": "true",
            "TEETEE_LISTEN_HOST": "127.0.0.1",
            "TEETEE_LISTEN_PORT": str(self.port),
            "TEETEE_OPERATIONS_PORT": "0",
            "TEETEE_DATA_DIRECTORY": str(self.folder / "data"),
            "TEETEE_KEYS_DIRECTORY": str(self.folder / "keys"),
            "TEETEE_SIMULATED": "true",
            "TEETEE_CONFIRMATIONS": "0",
            "TEETEE_POLL_SECONDS": "0.1",
            "TEETEE_PEER_POLL_SECONDS": "0.1",
            "TEETEE_BATCH_WINDOW_SECONDS": "0.05",
            "TEETEE_STALE_HEAD_SECONDS": "0",
        } | settings

    @contextmanager
    def running(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        crash: CrashPoint | None = None,
        slow: float = 0.0,
        folder: Path | None = None,
    ) -> Iterator[OracleProcess]:
        """A process, stopped at the end of the block if it is there still. `folder`: it runs in."""
        process = OracleProcess(
            self.settings | dict(settings or {}),
            measurement=MEASUREMENT,
            log=self.log,
            crash=crash,
            slow=slow,
            folder=folder,
        )
        try:
            yield process
        finally:
            process.kill()

    def await_event(self, event: str) -> dict[str, Any]:
        """The first line of the log that says so."""
        deadline = time.monotonic() + SECONDS
        while True:
            for line in self.log.read_text().splitlines():
                if line.startswith('{"event"') and json.loads(line)["event"] == event:
                    found: dict[str, Any] = json.loads(line)
                    return found
            assert time.monotonic() < deadline, f"the log never says: {event}"
            time.sleep(0.05)  # another process writes it

    def enrol(self) -> ShardId:
        """Through the running process's own endpoint, as `teetee host enrol` does it."""
        world = self.world
        request, statement = self._statement()
        identity: EnclaveIdentity = statement.identity
        enrolment = Enrolment(
            model_id=world.model_id,
            layers=identity.layers,
            is_entry=identity.is_entry,
            keyset=identity.keyset,
            endpoint=request.endpoint,
            payout=request.payout,
            block_number=request.block_number,
        )
        sender = world.sender(self.host)
        sender.send(world.token.approve(world.chain.deployment.registry, BOND))
        sender.send(world.registry.enrol(enrolment, statement.quote, PCK_ID, statement.signature))
        world.chain.fund(identity.keyset.signer)
        shard_id = world.registry.shard_of(identity.keyset.signer)
        assert shard_id is not None
        if identity.is_entry:
            world.sealing_keys[shard_id] = self._await_sealing_key(shard_id)
        return shard_id

    def rekey(self, shard_id: ShardId) -> None:
        """After a reboot, as `teetee host rekey` does it."""
        world = self.world
        world.chain.rpc("anvil_mine", hex(2))  # the quote is newer than the last attestation
        request, statement = self._statement()
        keyset = statement.identity.keyset
        call = world.registry.rekey(
            shard_id,
            keyset,
            endpoint=request.endpoint,
            block_number=request.block_number,
            quote=statement.quote,
            pck_id=PCK_ID,
        )
        world.sender(self.host).send(call)
        world.chain.fund(keyset.signer)
        if statement.identity.is_entry:
            world.sealing_keys[shard_id] = self._await_sealing_key(shard_id)

    def _statement(self) -> tuple[StatementRequest, EnclaveStatement]:
        """What the running process says, checked."""
        world = self.world
        # Not the head: its hash is unknown to the simulated call before a transaction.
        block = world.connection.block(world.connection.head().number - 1)
        request = StatementRequest(
            block.number, block.hash, f"127.0.0.1:{self.port}", str(self.host.address)
        )
        statement = fetch_statement(Endpoint("127.0.0.1", self.port), request)
        model = world.registry.model(world.model_id)
        identity = statement.identity
        check_statement(
            statement,
            request,
            chain_id=CHAIN_ID,
            registry=world.chain.deployment.registry,
            host=str(self.host.address),
            slice_digest=model.slice_digest(identity.layers, identity.is_entry),
        )
        return request, statement

    def _await_sealing_key(self, shard_id: ShardId) -> SealingPublicKey:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return fetch_sealing_key(self.world.registry.shard(shard_id))
            except TeeTeeError:  # it does not serve yet: there is no event to await
                assert time.monotonic() < deadline, f"shard {shard_id} does not serve"
                time.sleep(0.05)
