# SPDX-License-Identifier: Apache-2.0
"""From settings to an enclave that may serve: keys, chain and weights, checked against one another.

A mismatch ends the process with an error that says what to do. A chain or guest agent that does not
answer yet is retried.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from structlog.typing import FilteringBoundLogger

from oracle.chain.alarm import DisagreementAlarm
from oracle.chain.heads import ChainBlocks, Heads
from oracle.chain.highest_head import StoredHighestHead
from oracle.chain.registry import ChainRegistryReader
from oracle.errors import StartUpRefused, Stopped
from oracle.isolation.environment import refuse_user_packages
from oracle.isolation.memory import refuse_swap
from oracle.operations.operator_view import OperatorView
from oracle.process.sending import build_sender
from oracle.process.settings import Settings
from shard_runtime import (
    ModelSource,
    ModelTokenizer,
    check_token_ids,
    load_shard,
    load_tokenizer,
    open_model,
)
from shard_runtime import Shard as LoadedShard
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import UnknownModel
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.registry import Registry
from teetee.chain.deployment import LOCAL_NETWORK, Deployment
from teetee.chain.errors import RpcRefused
from teetee.chain.nodes.node_failures import RetryPolicy
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.models import Model
from teetee.enclave.guest_agent import DSTACK_SOCKET, DstackGuestAgent, GuestAgent
from teetee.enclave.key_file import KeyFile, KeyScope
from teetee.enclave.keys import EnclaveKeys
from teetee.errors import Retryable
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import EnclaveIdentity
from teetee.protocol.manifest import ModelManifest

FIRST_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 30.0
MIN_NODE_SECONDS = 3.0
MAX_NODE_SECONDS = 20.0
# The loops ask again on their own; a thread that sleeps in a call would delay the stop.
NODE_RETRY = RetryPolicy(busy_retries=2, max_asked_seconds=4.0, lost_retries=1)

SIMULATOR_VARIABLE = "DSTACK_SIMULATOR_ENDPOINT"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedEnclave:
    """Everything that does not change while the process runs."""

    settings: Settings
    guest: GuestAgent
    key_file: KeyFile
    keys: EnclaveKeys
    connection: Connection
    sender: TransactionSender
    """The only one for the signer's key: it owns the nonces."""
    deployment: Deployment
    model: Model
    tokenizer: ModelTokenizer | None  # None for a shard that is not an entry
    loaded: LoadedShard
    identity: EnclaveIdentity
    blocks: ChainBlocks
    heads: Heads
    registry: ChainRegistryReader


def prepare_enclave(
    settings: Settings, *, stop: threading.Event, view: OperatorView, log: FilteringBoundLogger
) -> PreparedEnclave:
    """Raises `StartUpRefused` and other `Fatal` errors, and `Stopped` once `stop` is set."""
    _check_machine(settings, log)
    deployment = _load_deployment(settings)
    guest = DstackGuestAgent(_guest_endpoint(settings))
    key_file, keys = _open_keys(settings, deployment, log)
    connection = _connect(settings, log)
    retry = _Retry(stop, log)
    retry("chain", connection.head)
    registry = Registry(connection, deployment)
    retry("chain", lambda: _check_contracts(registry, Escrow(connection, deployment), deployment))
    model = retry("chain", lambda: _read_model(registry, settings))
    tokenizer, loaded = _load_weights(settings, log)
    identity = _identity(settings, deployment, keys, loaded, model)
    if tokenizer is not None:
        _check_token_ids(settings, tokenizer, model, log)
    blocks = ChainBlocks(connection)
    heads = _open_heads(settings, deployment, blocks, log)
    # Polled after loading, which can take long, so that the first reader finds a fresh head.
    retry("chain", heads.poll)
    return PreparedEnclave(
        settings=settings,
        guest=guest,
        key_file=key_file,
        keys=keys,
        connection=connection,
        sender=build_sender(settings, connection, keys.signer, metrics=view.metrics, log=log),
        deployment=deployment,
        model=model,
        tokenizer=tokenizer,
        loaded=loaded,
        identity=identity,
        blocks=blocks,
        heads=heads,
        registry=ChainRegistryReader(
            registry, model_id=ModelId(settings.model_id), signer=keys.keyset.signer
        ),
    )


def _check_machine(settings: Settings, log: FilteringBoundLogger) -> None:
    """Raises `StartUpRefused` unless this process runs the image's code alone, and plain text stays
    in this machine's memory.
    """
    if settings.simulated:
        log.warning("this machine is simulated: nothing here is confidential")
    else:
        refuse_user_packages()
        refuse_swap()


def _guest_endpoint(settings: Settings) -> str:
    """Where the guest agent listens. Raises `StartUpRefused`."""
    simulator = os.environ.get(SIMULATOR_VARIABLE)
    if settings.simulated:
        return simulator or DSTACK_SOCKET
    if simulator:
        raise StartUpRefused(
            what=f"{SIMULATOR_VARIABLE} is set, and this machine is not simulated",
            remedy="Unset it, or set TEETEE_SIMULATED=true.",
        )
    return DSTACK_SOCKET


def _open_keys(
    settings: Settings, deployment: Deployment, log: FilteringBoundLogger
) -> tuple[KeyFile, EnclaveKeys]:
    """Keys of this chain, registry and escrow alone. Raises `KeyFileRefused`."""
    scope = KeyScope(deployment.chain_id, deployment.registry, deployment.escrow)
    key_file = KeyFile(settings.keys_directory, scope, allow_disk=settings.simulated)
    keys, are_new = key_file.open()
    if are_new:
        log.warning("the keys are new: enrol this enclave, or rekey its shard")
    return key_file, keys


def _check_contracts(registry: Registry, escrow: Escrow, deployment: Deployment) -> None:
    """Raises `StartUpRefused` unless registry and escrow name each other."""
    pairs = (
        ("registry's escrow", registry.bound_escrow(), deployment.escrow),
        ("escrow's registry", escrow.terms().registry, deployment.registry),
    )
    for what, found, expected in pairs:
        if found != expected:
            raise StartUpRefused(
                what=f"the {what} is {found}, the deployment says {expected}",
                remedy="Correct the deployment: registry and escrow must name each other.",
            )


def _connect(settings: Settings, log: FilteringBoundLogger) -> Connection:
    """Raises `InsecureNode`, `QuorumInvalid`."""
    return Connection(
        settings.rpc_urls(),
        chain_id=settings.chain_id,
        timeout_seconds=_node_timeout(settings),
        quorum=settings.rpc_quorum,
        retry=NODE_RETRY,
        on_disagreement=DisagreementAlarm(log, time.monotonic),
    )


def _node_timeout(settings: Settings) -> float:
    """A call that no node answers must not outlast the decline margin, in which it is repeated."""
    seconds = settings.decline_margin_seconds / 2
    return min(max(seconds, MIN_NODE_SECONDS), MAX_NODE_SECONDS)


def _open_heads(
    settings: Settings, deployment: Deployment, blocks: ChainBlocks, log: FilteringBoundLogger
) -> Heads:
    """Raises `StartUpRefused`."""
    # A local chain begins again with each world.
    is_local = deployment.network == LOCAL_NETWORK
    return Heads(
        blocks=blocks,
        chain_id=settings.chain_id,
        stale_after=settings.stale_head_seconds,
        clock=time.monotonic,
        highest=None
        if is_local
        else StoredHighestHead(settings.data_directory, chain_id=settings.chain_id, log=log),
    )


def _load_deployment(settings: Settings) -> Deployment:
    text = settings.deployment
    is_document = text.lstrip().startswith("{")
    deployment = Deployment.parse(text) if is_document else Deployment.load(Path(text))
    if deployment.chain_id != settings.chain_id:
        raise StartUpRefused(
            what=f"the deployment file is for chain {deployment.chain_id},"
            f" TEETEE_CHAIN_ID says {settings.chain_id}",
            remedy="Set TEETEE_DEPLOYMENT to the file of that chain, or correct TEETEE_CHAIN_ID.",
        )
    return deployment


def _read_model(registry: Registry, settings: Settings) -> Model:
    try:
        model = registry.model(ModelId(settings.model_id))
    except UnknownModel:
        raise StartUpRefused(
            what=f"no model {settings.model_id} is published on chain {settings.chain_id}",
            remedy="Publish it first, or correct TEETEE_MODEL_ID.",
        ) from None
    if settings.layers.end > model.layer_count:
        raise StartUpRefused(
            what=f"model {settings.model_id} has {model.layer_count} layers,"
            f" TEETEE_LAYERS says {settings.layers}",
            remedy="Choose a range within the model.",
        )
    if settings.is_entry and settings.layers.first != 0:
        raise StartUpRefused(
            what=f"an entry begins with layer 0, TEETEE_LAYERS says {settings.layers}",
            remedy="Begin with 0, or set TEETEE_IS_ENTRY=false.",
        )
    return model


def _load_weights(
    settings: Settings, log: FilteringBoundLogger
) -> tuple[ModelTokenizer | None, LoadedShard]:
    source = open_model(settings.model)
    tokenizer = _load_tokenizer(source) if settings.is_entry else None
    log.info("loading the weights", first=settings.layers.first, end=settings.layers.end)
    loaded = load_shard(
        source,
        settings.layers,
        is_entry=settings.is_entry,
        dtype=settings.dtype,
        threads=torch.get_num_threads(),  # OMP_NUM_THREADS
        instructions=settings.native_instructions,
    )
    return tokenizer, loaded


def _load_tokenizer(source: ModelSource) -> ModelTokenizer:
    tokenizer = load_tokenizer(source)
    if not (tokenizer.reads_text and tokenizer.has_chat_template):
        raise StartUpRefused(
            what=f"the model {source.name} has no tokenizer or no chat template",
            remedy="Put tokenizer.json and the template beside its weights, or set"
            " TEETEE_IS_ENTRY=false.",
        )
    return tokenizer


def _check_token_ids(
    settings: Settings, tokenizer: ModelTokenizer, model: Model, log: FilteringBoundLogger
) -> None:
    """Compares the tokenizer with the published manifest, which the chain vouches for."""
    path = settings.manifest or Path(settings.model) / "manifest.json"
    if settings.manifest is None and not path.is_file():
        log.warning("no manifest, token ids not compared", looked_for=str(path))
        return
    try:
        manifest = ModelManifest.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise StartUpRefused(
            what=f"the manifest {path} cannot be read",
            remedy="Correct TEETEE_MANIFEST, or make it with `python -m shard_tools digest`.",
        ) from None
    layers, is_entry = settings.layers, settings.is_entry
    if manifest.slice_digest(layers, is_entry) != model.slice_digest(layers, is_entry):
        raise StartUpRefused(
            what=f"the manifest {path} is not that of model {settings.model_id}",
            remedy="Use the file from which the model was published.",
        )
    check_token_ids(tokenizer, manifest)


def _identity(
    settings: Settings,
    deployment: Deployment,
    keys: EnclaveKeys,
    loaded: LoadedShard,
    model: Model,
) -> EnclaveIdentity:
    published = model.slice_digest(settings.layers, settings.is_entry)
    if loaded.slice_digest != published:
        raise StartUpRefused(
            what=f"the weights loaded for layers {settings.layers} in {settings.dtype} have the"
            f" slice digest 0x{loaded.slice_digest.hex()}, published for model {settings.model_id}"
            f" is 0x{published.hex()}",
            remedy="Download the model's files again, or set TEETEE_DTYPE to the precision that the"
            " model is published for; nothing is served from these.",
        )
    return EnclaveIdentity(
        chain_id=settings.chain_id,
        registry=deployment.registry,
        host=settings.host,
        model_id=ModelId(settings.model_id),
        layers=settings.layers,
        is_entry=settings.is_entry,
        slice_digest=loaded.slice_digest,
        keyset=keys.keyset,
    )


class _Retry:
    """Retries with backoff: the node or the guest agent may come up after this process. What a node
    refuses is repeated, too: some answer with an error of their own while something behind them
    fails, and this process must not end for that.
    """

    def __init__(self, stop: threading.Event, log: FilteringBoundLogger) -> None:
        self._stop = stop
        self._log = log

    def __call__(self, task: str, work: Callable[[], Value]) -> Value:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                return work()
            except (Retryable, RpcRefused) as error:
                self._log.warning("start-up waits", task=task, error=error, seconds=pause)
            if self._stop.wait(pause):
                raise Stopped
            pause = min(pause * 2, MAX_RETRY_SECONDS)
