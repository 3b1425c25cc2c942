# SPDX-License-Identifier: Apache-2.0
"""The directory of peers: which shards may connect, and the keys that they must have.

The runtime trusts the directory and knows no chain; the measured code that watches the chain (or a
test) fills it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shard_runtime.errors import PathInvalid, PeerUnknown
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange


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
