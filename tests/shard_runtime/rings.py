# SPDX-License-Identifier: Apache-2.0
"""Rings of real stages in this process: in-memory links or TLS on loopback."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count, pairwise
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
from shard_runtime.engine.stage.request_guard import AnyRequest, RequestGuard
from shard_runtime.errors import PeerUnknown
from shard_runtime.links.memory_links import MemoryNetwork, Tamper
from shard_runtime.links.port import Links
from teetee.enclave.keys import EnclaveKeys
from teetee.errors import Retryable
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.prompt import Sampling
from teetee.protocol.typed_data import escrow_domain
from tests.teetee.enclave_keys import keys_of

DOMAIN = escrow_domain(31337, "0x00000000000000000000000000000000000e5C20")
MODEL_ID = ModelId(3)
REQUEST_ID = RequestId(41)
# No test should wait for a whole second.
QUICK_LIMITS = LinkLimits(watch_seconds=0.05, first_delay_seconds=0.01, handshake_seconds=5)
ANY_REQUEST = AnyRequest()
QUICK_STAGE = StageSettings(watch_seconds=0.05, rows=16, chunk=8)
# Long timeouts: many processes share the cores, and a late stage is not dead.
QUICK_HEARTBEATS = HeartbeatSettings(
    interval_seconds=0.05, max_missed=100, max_stuck=200, max_still=200
)
QUICK_ENTRY = EntrySettings(watch_seconds=0.05, rows=16, chunk=8, heartbeats=QUICK_HEARTBEATS)


def link_identity(keys: EnclaveKeys) -> LinkIdentity:
    return LinkIdentity(keys.tls, keys.tls_certificate_der)


def identity_digest(shard_id: int) -> bytes:
    return sha256(f"identity {shard_id}".encode()).digest()


def salt_of(hop: int) -> bytes:
    return sha256(f"salt {hop}".encode()).digest()


def salts_for(stages: int) -> list[bytes]:
    return [salt_of(hop) for hop in range(stages + 1)]


class NoReplica(Retryable):
    """No shard of some range is active and not avoided."""


@dataclass
class Ring:
    """A running path of shards 1 … n; with copies, the replicas of 2 … n have the next numbers."""

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
        """The first shard of each range that is active and not avoided."""
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
        """The stage with that shard id."""
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
    """Cache bytes of one run in a shard of `running`."""
    shard = load_shard(source, layers, is_entry=layers.first == 0, backend=Backend.TORCH)
    return shard.cache_pool(0).bytes_for(positions)


def load_shards(
    source: ModelSource, ranges: Sequence[LayerRange], copies: int, dtype: str, backend: Backend
) -> list[Shard]:
    """One shard for each range, then copies of all but the first."""
    return [
        load_shard(source, layers, is_entry=number == 0, dtype=dtype, backend=backend)
        for number, layers in enumerate([*ranges, *ranges[1:] * (copies - 1)])
    ]


def open_listener(keys: EnclaveKeys, limits: LinkLimits, stack: ExitStack) -> Listener:
    listener = Listener(identity=link_identity(keys), host="127.0.0.1", port=0, limits=limits)
    listener.start()
    stack.callback(listener.close)
    return listener


def peer_of(number: int, shard: Shard, keys: EnclaveKeys, port: int) -> Peer:
    return Peer(
        shard_id=ShardId(number),
        host="127.0.0.1",
        port=port,
        tls=keys.keyset.tls,
        layers=shard.layers,
        signer=keys.keyset.signer,
        identity_digest=identity_digest(number),
    )


def stage_identity(number: int, keys: EnclaveKeys) -> StageIdentity:
    return StageIdentity(ShardId(number), MODEL_ID, identity_digest(number), keys.signer, DOMAIN)


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
    guard: RequestGuard = ANY_REQUEST,
) -> Iterator[Ring]:
    """Load `stages` shards, `copies` of each but the entry, and run them until the block ends."""
    ranges = splits or even_split(source.architecture.layer_count, stages)
    shards = load_shards(source, ranges, copies, dtype, backend)
    keys = [keys_of(f"shard {number}") for number in range(1, len(shards) + 1)]
    with ExitStack() as stack:
        listeners = [open_listener(each, limits, stack) for each in keys if tls]
        ports = [listener.port for listener in listeners] if tls else [0] * len(keys)
        peers = map(peer_of, count(1), shards, keys, ports)
        directory = FixedDirectory(map(alter_peer, peers))
        network = None if tls else MemoryNetwork(directory, tamper)
        parts: list[Any] = []
        for index, (shard, each) in enumerate(zip(shards, keys, strict=True)):
            links: Links = (
                network.links(each.keyset.tls)
                if network
                else tls_links(each, directory, listeners[index], limits)
            )
            wiring = (shard, stage_identity(index + 1, each), links, directory)
            stage_wiring = (stage_settings, *wiring, guard)
            part = stage(*stage_wiring) if index else entry(source, entry_settings, *wiring)
            part.start()
            stack.callback(part.close)
            parts.append(part)
        yield Ring(parts[0], parts[1:], directory, shards, network, listeners, stages)


def entry(
    source: ModelSource,
    settings: EntrySettings,
    shard: Shard,
    identity: StageIdentity,
    links: Links,
    directory: FixedDirectory,
) -> Entry:
    return Entry(
        shard=shard,
        tokenizer=load_tokenizer(source),
        identity=identity,
        links=links,
        directory=directory,
        settings=settings,
    )


def stage(
    settings: StageSettings,
    shard: Shard,
    identity: StageIdentity,
    links: Links,
    directory: FixedDirectory,
    guard: RequestGuard,
) -> Stage:
    return Stage(
        shard=shard,
        identity=identity,
        links=links,
        directory=directory,
        guard=guard,
        settings=settings,
    )


def tls_links(
    keys: EnclaveKeys, directory: FixedDirectory, listener: Listener, limits: LinkLimits
) -> TlsLinks:
    identity = link_identity(keys)
    return TlsLinks(identity=identity, directory=directory, listener=listener, limits=limits)
