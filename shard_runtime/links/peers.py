# SPDX-License-Identifier: Apache-2.0
"""Who may be talked to. The runtime asks; whoever watches the chain (or a test) answers.

This module knows no chain: a directory is believed. What it says is a matter of the measured code
that fills it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shard_runtime.errors import PathInvalid, PeerUnknown
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange


@dataclass(frozen=True, slots=True)
class Peer:
    """An active shard of our model, ourselves included."""

    shard_id: ShardId
    host: str
    port: int
    tls: bytes
    """SHA-256 of the TLS key's SubjectPublicKeyInfo, 32 bytes."""
    layers: LayerRange
    signer: str
    """Checksummed address: receipts of this shard must be signed by it."""
    identity_digest: bytes
    """32 bytes: receipts of this shard must carry it."""


class PeerDirectory(Protocol):
    """Called from several threads, often, and expected to answer from memory."""

    def find(self, shard_id: ShardId) -> Peer:
        """The shard of that number. Raises `PeerUnknown` when it is not active (any more)."""
        ...

    def accepts(self, tls: bytes) -> bool:
        """Whether some active shard of our model has this TLS key. Asked at every handshake and
        then every second.
        """
        ...


class FixedDirectory:
    """Peers told once; `add` and `remove` tell more. For tests and `shard_runtime check`."""

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
        """From now on the shard is known."""
        self._peers = {**self._peers, peer.shard_id: peer}

    def remove(self, shard_id: ShardId) -> None:
        """From now on the shard is unknown and its key refused."""
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
