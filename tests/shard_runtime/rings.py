# SPDX-License-Identifier: Apache-2.0
"""Rings of real stages in this process: in-memory links or TLS on loopback."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

from shard_runtime import (
    Backend,
    Entry,
    EntrySettings,
    FixedDirectory,
    Generation,
    GenerationJob,
    LinkIdentity,
    LinkLimits,
    Listener,
    ModelSource,
    Peer,
    Shard,
    Stage,
    StageIdentity,
    StageSettings,
    TlsLinks,
    load_shard,
    load_tokenizer,
)
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.engine.entry.path_search import fixed_path
from shard_runtime.errors import PeerUnknown
from shard_runtime.links.memory_links import MemoryNetwork, Tamper
from shard_runtime.links.port import Links
from teetee.enclave.keys import EnclaveKeys
from teetee.errors import Retryable
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.prompt import Sampling
from teetee.protocol.receipts import ReceiptDomain

DOMAIN = ReceiptDomain(31337, "0x00000000000000000000000000000000000e5C20")
MODEL_ID = ModelId(3)
REQUEST_ID = RequestId(41)
# Nothing in these tests should wait for a whole second.
QUICK_LIMITS = LinkLimits(watch_seconds=0.05, first_delay_seconds=0.01, handshake_seconds=5)
QUICK_STAGE = StageSettings(watch_seconds=0.05, rows=16, chunk=8)
# Patient with stages: many processes share the cores, and a stage that is late is not dead.
QUICK_HEARTBEATS = HeartbeatSettings(interval_seconds=0.05, max_missed=100, max_stuck=200)
QUICK_ENTRY = EntrySettings(watch_seconds=0.05, rows=16, chunk=8, heartbeats=QUICK_HEARTBEATS)


class SecretsOf:
    """A guest agent whose secrets follow from a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get_key(self, path: str) -> bytes:
        return sha256(f"{self._name}/{path}".encode()).digest()

    def get_quote(self, report_data: bytes) -> bytes:
        raise NotImplementedError


def keys_of(name: str) -> EnclaveKeys:
    return EnclaveKeys.derive(SecretsOf(name))


def link_identity(keys: EnclaveKeys) -> LinkIdentity:
    return LinkIdentity(keys.tls, keys.tls_certificate_der)


def identity_digest(shard_id: int) -> bytes:
    return sha256(f"identity {shard_id}".encode()).digest()


def salt_of(hop: int) -> bytes:
    return sha256(f"salt {hop}".encode()).digest()


def salts_for(stages: int) -> list[bytes]:
    return [salt_of(hop) for hop in range(stages + 1)]


class NoReplica(Retryable):
    """All shards of some range are to be avoided, or gone."""


@dataclass
class Ring:
    """A path of shards 1 … n, running; with copies, replicas of 2 … n come after them."""

    entry: Entry
    stages: list[Stage]
    directory: FixedDirectory
    shards: list[Shard]
    network: MemoryNetwork | None
    listeners: list[Listener]
    length: int

    @property
    def path(self) -> list[ShardId]:
        return [ShardId(number) for number in range(1, self.length + 1)]

    def choose(self, avoiding: frozenset[ShardId]) -> list[ShardId]:
        """The first of each range that is active and not to be avoided."""
        path: list[ShardId] = []
        for hop in range(self.length):
            replicas = range(hop + 1, len(self.shards) + 1, self.length - 1) if hop else [1]
            fit = (ShardId(each) for each in replicas if self._is_fit(ShardId(each), avoiding))
            found = next(fit, None)
            if found is None:
                raise NoReplica(f"no replica for stage {hop}")
            path.append(found)
        return path

    def _is_fit(self, shard_id: ShardId, avoiding: frozenset[ShardId]) -> bool:
        try:
            self.directory.find(shard_id)
        except PeerUnknown:
            return False
        return shard_id not in avoiding

    def part(self, shard_id: int) -> Stage:
        """The stage of that number."""
        return self.stages[shard_id - 2]

    def tls(self, shard_id: int) -> bytes:
        return keys_of(f"shard {shard_id}").keyset.tls

    def ask(self, prompt: Sequence[int], max_tokens: int = 12, **options: Any) -> Generation:
        sampling = options.pop("sampling", None) or Sampling(max_tokens=max_tokens)
        choose = options.pop("choose_path", fixed_path(options.pop("path", self.path)))
        job = GenerationJob(
            token_ids=prompt,
            sampling=sampling,
            choose_path=choose,
            request_id=options.pop("request_id", REQUEST_ID),
            salt_of=options.pop("salt_of", salt_of),
            **options,
        )
        return self.entry.generate(job)

    @property
    def cache_bytes_used(self) -> list[int]:
        return [self.entry.cache_bytes_used, *(stage.cache_bytes_used for stage in self.stages)]


def even_split(layers: int, stages: int) -> list[LayerRange]:
    bounds = [layers * stage // stages for stage in range(stages + 1)]
    return [LayerRange(first, end) for first, end in pairwise(bounds)]


def room_for(source: ModelSource, layers: LayerRange, positions: int) -> int:
    """Bytes of cache in `running`'s usual shards."""
    shard = load_shard(source, layers, is_entry=layers.first == 0, backend=Backend.TORCH)
    return shard.cache_pool(0).bytes_for(positions)


@contextmanager
def running(
    source: ModelSource,
    stages: int,
    *,
    tls: bool = False,
    tamper: Tamper | None = None,
    entry_settings: EntrySettings = QUICK_ENTRY,
    stage_settings: StageSettings = QUICK_STAGE,
    limits: LinkLimits = QUICK_LIMITS,
    splits: Sequence[LayerRange] | None = None,
    alter_peer: Callable[[Peer], Peer] = lambda peer: peer,
    copies: int = 1,
    backend: Backend = Backend.TORCH,
    dtype: str = "float32",
) -> Iterator[Ring]:
    """Load `stages` shards, `copies` of each but the entry, and start them. Everything ends with
    the block.
    """
    length = stages
    ranges = list(splits or even_split(source.architecture.layer_count, stages))
    ranges += ranges[1:] * (copies - 1)
    stages = len(ranges)
    shards = [
        load_shard(source, layers, is_entry=number == 0, dtype=dtype, backend=backend)
        for number, layers in enumerate(ranges)
    ]
    keys = [keys_of(f"shard {number}") for number in range(1, stages + 1)]
    with ExitStack() as stack:
        listeners = []
        for each in keys if tls else []:
            listener = Listener(
                identity=link_identity(each), host="127.0.0.1", port=0, limits=limits
            )
            listener.start()
            stack.callback(listener.close)
            listeners.append(listener)
        directory = FixedDirectory(
            alter_peer(
                Peer(
                    shard_id=ShardId(number),
                    host="127.0.0.1",
                    port=listeners[number - 1].port if tls else 0,
                    tls=keys[number - 1].keyset.tls,
                    layers=ranges[number - 1],
                    signer=keys[number - 1].keyset.signer,
                    identity_digest=identity_digest(number),
                )
            )
            for number in range(1, stages + 1)
        )
        network = None if tls else MemoryNetwork(directory, tamper)
        parts: list[Entry | Stage] = []
        for index, (shard, each) in enumerate(zip(shards, keys, strict=True)):
            links: Links
            if network is None:
                links = TlsLinks(
                    identity=link_identity(each),
                    directory=directory,
                    listener=listeners[index],
                    limits=limits,
                )
            else:
                links = network.links(each.keyset.tls)
            identity = StageIdentity(
                ShardId(index + 1), MODEL_ID, identity_digest(index + 1), each.signer, DOMAIN
            )
            wiring = {"shard": shard, "identity": identity, "links": links, "directory": directory}
            part = (
                Stage(**wiring, settings=stage_settings)  # type: ignore[arg-type]
                if index
                else Entry(**wiring, tokenizer=load_tokenizer(source), settings=entry_settings)  # type: ignore[arg-type]
            )
            part.start()
            stack.callback(part.close)
            parts.append(part)
        entry, *others = parts
        assert isinstance(entry, Entry)
        yield Ring(
            entry,
            [stage for stage in others if isinstance(stage, Stage)],
            directory,
            shards,
            network,
            listeners,
            length,
        )
