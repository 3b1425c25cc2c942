# SPDX-License-Identifier: Apache-2.0
"""`Links` over mutual TLS: incoming ones through the listener, outgoing ones opened on demand."""

import threading

from shard_runtime.links.identity import LinkIdentity
from shard_runtime.links.limits import LinkLimits
from shard_runtime.links.listener import Listener
from shard_runtime.links.outgoing_link import OutgoingLink
from shard_runtime.links.peers import PeerDirectory
from shard_runtime.links.port import Lost, Receive
from shard_runtime.links.stream import Stream
from shard_runtime.links.tls_context import LINK_ALPN
from teetee.protocol.identifiers import ShardId


class TlsLinks:
    """Serves `teetee-link/1` on a listener from `start` on. Closing it leaves the listener open."""

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
        self._receive: Receive | None = None
        self._lost: Lost | None = None

    def start(self, receive: Receive, lost: Lost) -> None:
        self._receive = receive
        self._lost = lost
        self._listener.handle(LINK_ALPN, self._read, self._directory.accepts)

    def send(self, shard_id: ShardId, body: bytes) -> None:
        self._link(shard_id).send(body)

    def close(self) -> None:
        self._receive = None
        with self._lock:
            for link in self._outgoing.values():
                link.close()
            self._outgoing.clear()

    def _link(self, shard_id: ShardId) -> OutgoingLink:
        with self._lock:
            if shard_id not in self._outgoing:
                assert self._lost is not None
                self._outgoing[shard_id] = OutgoingLink(
                    shard_id=shard_id,
                    identity=self._identity,
                    directory=self._directory,
                    limits=self._limits,
                    lost=self._lost,
                )
            return self._outgoing[shard_id]

    def _read(self, stream: Stream) -> None:
        """One incoming link, from its acceptance to its end."""
        tls = stream.peer_tls
        assert tls is not None
        stream.send(b"")  # accepted
        while True:
            body = stream.receive(self._limits.frame_bytes)
            if self._receive is None:
                return
            self._receive(tls, body)
