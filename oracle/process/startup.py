# SPDX-License-Identifier: Apache-2.0
"""From settings to an enclave that may serve: keys, chain, weights, and that all three fit
together.

Whatever does not fit ends the process with a sentence that says what to do. A chain that does not
answer yet is waited for.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from structlog.typing import FilteringBoundLogger

from oracle.chain.escrow import ChainBlocks
from oracle.chain.heads import Heads
from oracle.chain.registry import RegistryDoor
from oracle.errors import StartUpRefused, Stopped
from oracle.process.settings import Settings
from shard_runtime import ModelSource, ModelTokenizer, load_shard, load_tokenizer, open_model
from shard_runtime import Shard as LoadedShard
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import UnknownModel
from teetee.chain.contracts.registry import Registry
from teetee.chain.deployment import Deployment
from teetee.chain.types.models import Model
from teetee.enclave.guest_agent import DstackGuestAgent, GuestAgent
from teetee.enclave.keys import EnclaveKeys
from teetee.errors import Retryable
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import EnclaveIdentity

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclave:
    """Everything that does not change while the process runs."""

    settings: Settings
    guest: GuestAgent
    keys: EnclaveKeys
    connection: Connection
    deployment: Deployment
    model: Model
    tokenizer: ModelTokenizer | None  # an entry's
    loaded: LoadedShard
    identity: EnclaveIdentity
    blocks: ChainBlocks
    heads: Heads
    registry: RegistryDoor


def prepare(settings: Settings, *, stop: threading.Event, log: FilteringBoundLogger) -> Enclave:
    """Raises `StartUpRefused` and other `Fatal`; `Stopped` when asked to stop meanwhile."""
    deployment = _deployment(settings)
    urls = [url.strip() for url in settings.rpc_url.get_secret_value().split(",")]
    connection = Connection(urls, chain_id=settings.chain_id)
    patiently = _Patience(stop, log)
    guest = DstackGuestAgent()
    keys = patiently("guest agent", lambda: EnclaveKeys.derive(guest))
    patiently("chain", connection.head)
    registry = Registry(connection, deployment)
    model = patiently("chain", lambda: _model(registry, settings))
    source = open_model(settings.model)
    tokenizer = _tokenizer(source) if settings.is_entry else None
    log.info("loading the slice", first=settings.layers.first, end=settings.layers.end)
    loaded = load_shard(
        source,
        settings.layers,
        is_entry=settings.is_entry,
        dtype=settings.dtype,
        threads=torch.get_num_threads(),  # OMP_NUM_THREADS
    )
    identity = _identity(settings, deployment, keys, loaded, model)
    blocks = ChainBlocks(connection)
    heads = Heads(
        blocks=blocks,
        chain_id=settings.chain_id,
        stale_after=settings.stale_head_seconds,
        clock=time.monotonic,
    )
    # After the loading, which can take long: whoever asks next should find a fresh head.
    patiently("chain", heads.poll)
    return Enclave(
        settings=settings,
        guest=guest,
        keys=keys,
        connection=connection,
        deployment=deployment,
        model=model,
        tokenizer=tokenizer,
        loaded=loaded,
        identity=identity,
        blocks=blocks,
        heads=heads,
        registry=RegistryDoor(
            registry, model_id=ModelId(settings.model_id), signer=keys.keyset.signer
        ),
    )


def _deployment(settings: Settings) -> Deployment:
    deployment = Deployment.load(settings.deployment)
    if deployment.chain_id != settings.chain_id:
        raise StartUpRefused(
            what=f"the deployment file is for chain {deployment.chain_id},"
            f" TEETEE_CHAIN_ID says {settings.chain_id}",
            remedy="Give the file of the chain that is meant.",
        )
    return deployment


def _model(registry: Registry, settings: Settings) -> Model:
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


def _tokenizer(source: ModelSource) -> ModelTokenizer:
    tokenizer = load_tokenizer(source)
    if not (tokenizer.reads_text and tokenizer.has_chat_template):
        raise StartUpRefused(
            what=f"the model {source.name} has no tokenizer or no chat template",
            remedy="Put tokenizer.json and the template beside its weights, or do not be an entry.",
        )
    return tokenizer


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
            what=f"the weights loaded for layers {settings.layers} have the slice digest"
            f" 0x{loaded.slice_digest.hex()}, published for model {settings.model_id} is"
            f" 0x{published.hex()}",
            remedy="Fetch the model's files anew; nothing is served from these.",
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


class _Patience:
    """Tries again what may pass: at start-up, a node or guest agent can be later than we are."""

    def __init__(self, stop: threading.Event, log: FilteringBoundLogger) -> None:
        self._stop = stop
        self._log = log

    def __call__(self, task: str, work: Callable[[], Value]) -> Value:
        pause = FIRST_PAUSE
        while True:
            try:
                return work()
            except Retryable as error:
                self._log.warning("waiting", task=task.replace(" ", "-"), error=error)
            if self._stop.wait(pause):
                raise Stopped
            pause = min(pause * 2, LONGEST_PAUSE)
