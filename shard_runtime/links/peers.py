# SPDX-License-Identifier: Apache-2.0
"""The directory of peers: which shards may connect, and the keys that they must have; and the peers
that may not, because they broke the rules of a link.

The runtime trusts the directory and knows no chain; the measured code that watches the chain (or a
test) fills it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shard_runtime.errors import PathInvalid, PeerUnknown
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange

_FIRST_REFUSAL_SECONDS = 1.0
_MAX_REFUSAL_SECONDS = 300.0
_MAX_REFUSED_PEERS = 4096
"""More active shards than a model has; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An active shard of the same model, or this shard itself."""

    shard_id: ShardId
    host: str
    port: int
    tls: bytes
    """SHA-256 of the TLS key's SubjectPublicKeyInfo, 32 bytes."""
    layers: LayerRange
    signer: str
    """Checksummed address that must sign this shard's receipts."""
    identity_digest: bytes
    """32 bytes that this shard's receipts must carry."""


class PeerDirectory(Protocol):
    """Called often, from several threads: it must answer from memory."""

    def find(self, shard_id: ShardId) -> Peer:
        """The shard with that id. Raises `PeerUnknown` if it is not active."""
        ...

    def accepts(self, tls: bytes) -> bool:
        """Whether an active shard of the same model has this TLS key. Called at every handshake,
        and then every second.
        """
        ...


class FixedDirectory:
    """A directory that changes by `add` and `remove` alone, for tests and `shard_tools check`."""

    def __init__(self, peers: Iterable[Peer]) -> None:
        self._peers = {peer.shard_id: peer for peer in peers}

    def find(self, shard_id: ShardId) -> Peer:
        try:
            return self._peers[shard_id]
        except KeyError:
            raise PeerUnknown(shard_id) from None

    def accepts(self, tls: bytes) -> bool:
        return any(peer.tls == tls for peer in list(self._peers.values()))

    def add(self, peer: Peer) -> None:
        """Add a shard."""
        self._peers = {**self._peers, peer.shard_id: peer}

    def remove(self, shard_id: ShardId) -> None:
        """Remove a shard: its key is refused from now on."""
        self._peers = {known: peer for known, peer in self._peers.items() if known != shard_id}


def resolve_path(
    directory: PeerDirectory, path: Sequence[ShardId], layer_count: int
) -> tuple[Peer, ...]:
    """The peers of `path`, in order.

    Raises `PeerUnknown`, and `PathInvalid` unless they tile `[0, layer_count)` without gap, overlap
    or repetition.
    """
    if not path or len(set(path)) != len(path):
        raise PathInvalid("must name at least one shard, and each shard once")
    peers = tuple(directory.find(shard_id) for shard_id in path)
    covered = 0
    for peer in peers:
        if peer.layers.first != covered:
            raise PathInvalid(
                f"reaches layer {covered}, and shard {peer.shard_id} begins at {peer.layers.first}"
            )
        covered = peer.layers.end
    if covered != layer_count:
        raise PathInvalid(f"ends at layer {covered} of {layer_count}")
    return peers


class RefusedPeers:
    """Peers that may not connect for a while, twice as long after each offence. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in s."""
        self._clock = clock
        self._refusals: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        """Key → how many offences, and until when it is refused."""
        self._lock = threading.Lock()

    def add(self, tls: bytes) -> None:
        """Refuse a peer from now on."""
        with self._lock:
            offences, _ = self._refusals.pop(tls, (0, 0.0))
            seconds = min(_FIRST_REFUSAL_SECONDS * 2 ** min(offences, 16), _MAX_REFUSAL_SECONDS)
            self._refusals[tls] = (offences + 1, self._clock() + seconds)
            while len(self._refusals) > _MAX_REFUSED_PEERS:
                self._refusals.popitem(last=False)

    def is_refused(self, tls: bytes) -> bool:
        """Whether the peer's last offence is too recent."""
        with self._lock:
            _, until = self._refusals.get(tls, (0, 0.0))
            return self._clock() < until
