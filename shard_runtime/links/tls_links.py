# SPDX-License-Identifier: Apache-2.0
"""`Links` over mutual TLS: the listener accepts incoming ones, outgoing ones open on demand."""

import logging
import threading
import time

from shard_runtime.errors import PeerRefused, PeerUnknown
from shard_runtime.links.identity import LinkIdentity
from shard_runtime.links.limits import LinkLimits
from shard_runtime.links.listener import Listener
from shard_runtime.links.outgoing_link import LinkReport, OutgoingLink
from shard_runtime.links.peers import PeerDirectory, RefusedPeers
from shard_runtime.links.port import OnFrame, OnPeerLost
from shard_runtime.links.stream import Stream
from teetee.protocol.endpoint import LINK_ALPN
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


class TlsLinks:
    """Serves `teetee-link/1` on a listener from `start` on. `close` leaves the listener open."""

    def __init__(
        self,
        *,
        identity: LinkIdentity,
        directory: PeerDirectory,
        listener: Listener,
        limits: LinkLimits | None = None,
        is_directory_of_hosts: bool = False,
    ) -> None:
        """`is_directory_of_hosts`: other hosts wrote the addresses in the directory, so they must
        be of other machines (`teetee.protocol.endpoint.can_be_peer`).
        """
        self._identity = identity
        self._directory = directory
        self._listener = listener
        self._limits = limits or LinkLimits()
        self._is_directory_of_hosts = is_directory_of_hosts
        self._refused = RefusedPeers(time.monotonic)
        self._outgoing: dict[ShardId, OutgoingLink] = {}
        self._lock = threading.Lock()
        self._on_frame: OnFrame | None = None
        self._on_peer_lost: OnPeerLost | None = None

    def start(self, on_frame: OnFrame, on_peer_lost: OnPeerLost) -> None:
        self._on_frame = on_frame
        self._on_peer_lost = on_peer_lost
        self._listener.handle(LINK_ALPN, self._read_frames, self._accepts)

    def send_frame(self, shard_id: ShardId, body: bytes, tls: bytes | None = None) -> None:
        link = self._outgoing.get(shard_id)
        if link is None or tls != link.tls:
            link = self._open_link(shard_id, tls)
        if link is not None:
            link.send_frame(body)
        elif self._on_peer_lost is not None:
            self._on_peer_lost(shard_id)

    def report(self) -> dict[ShardId, LinkReport]:
        """The links to other shards; those from them are the listener's."""
        with self._lock:
            return {shard_id: link.report() for shard_id, link in self._outgoing.items()}

    def close(self) -> None:
        self._on_frame = None
        with self._lock:
            for link in self._outgoing.values():
                link.close()
            self._outgoing.clear()

    def _accepts(self, tls: bytes) -> bool:
        return self._directory.accepts(tls) and not self._refused.is_refused(tls)

    def _open_link(self, shard_id: ShardId, tls: bytes | None) -> OutgoingLink | None:
        """The link to the enclave that the directory shows now; None if that is not the one with
        the key `tls`, or if the link cannot be opened.
        """
        try:
            present = self._directory.find(shard_id).tls
        except PeerUnknown:
            return None
        if tls not in (None, present):
            return None
        with self._lock:
            link = self._outgoing.get(shard_id)
            if link is not None and link.tls == present:
                return link
            if link is not None:
                link.close()
            try:
                self._outgoing[shard_id] = self._new_link(shard_id, present)
            except RuntimeError:  # no further thread can start; the next frame tries again
                _log.error("a link was not opened: no thread", extra={"peer": shard_id})
                self._outgoing.pop(shard_id, None)
            return self._outgoing.get(shard_id)

    def _new_link(self, shard_id: ShardId, tls: bytes) -> OutgoingLink:
        assert self._on_peer_lost is not None
        return OutgoingLink(
            shard_id=shard_id,
            tls=tls,
            identity=self._identity,
            directory=self._directory,
            limits=self._limits,
            on_lost=self._on_peer_lost,
            is_directory_of_hosts=self._is_directory_of_hosts,
        )

    def _read_frames(self, stream: Stream) -> None:
        """Read one incoming link until it ends."""
        tls = stream.peer_tls
        assert tls is not None
        stream.send(b"")  # accepted
        while True:
            body = stream.receive(self._limits.frame_bytes)
            if self._on_frame is None:
                return
            try:
                self._on_frame(tls, body)
            except PeerRefused:
                self._refused.add(tls)
                raise
