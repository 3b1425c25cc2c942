# SPDX-License-Identifier: Apache-2.0
"""`Links` over mutual TLS: the listener accepts incoming ones, outgoing ones open on demand."""

import threading

from shard_runtime.links.identity import LinkIdentity
from shard_runtime.links.limits import LinkLimits
from shard_runtime.links.listener import Listener
from shard_runtime.links.outgoing_link import OutgoingLink
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import OnFrame, OnPeerLost
from shard_runtime.links.stream import Stream
from teetee.protocol.endpoint import LINK_ALPN
from teetee.protocol.identifiers import ShardId


class TlsLinks:
    """Serves `teetee-link/1` on a listener from `start` on. `close` leaves the listener open."""

    def __init__(
        self,
        *,
        identity: LinkIdentity,
        directory: PeerDirectory,
        listener: Listener,
        limits: LinkLimits | None = None,
    ) -> None:
        self._identity = identity
        self._directory = directory
        self._listener = listener
        self._limits = limits or LinkLimits()
        self._outgoing: dict[ShardId, OutgoingLink] = {}
        self._lock = threading.Lock()
        self._on_frame: OnFrame | None = None
        self._on_peer_lost: OnPeerLost | None = None

    def start(self, on_frame: OnFrame, on_peer_lost: OnPeerLost) -> None:
        self._on_frame = on_frame
        self._on_peer_lost = on_peer_lost
        self._listener.handle(LINK_ALPN, self._read_frames, self._directory.accepts)

    def send_frame(self, shard_id: ShardId, body: bytes) -> None:
        self._link_to(shard_id).send_frame(body)

    def close(self) -> None:
        self._on_frame = None
        with self._lock:
            for link in self._outgoing.values():
                link.close()
            self._outgoing.clear()

    def _link_to(self, shard_id: ShardId) -> OutgoingLink:
        with self._lock:
            if shard_id not in self._outgoing:
                assert self._on_peer_lost is not None
                self._outgoing[shard_id] = OutgoingLink(
                    shard_id=shard_id,
                    identity=self._identity,
                    directory=self._directory,
                    limits=self._limits,
                    on_lost=self._on_peer_lost,
                )
            return self._outgoing[shard_id]

    def _read_frames(self, stream: Stream) -> None:
        """Read one incoming link until it ends."""
        tls = stream.peer_tls
        assert tls is not None
        stream.send(b"")  # accepted
        while True:
            body = stream.receive(self._limits.frame_bytes)
            if self._on_frame is None:
                return
            self._on_frame(tls, body)
