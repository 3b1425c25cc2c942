"""Frames to one peer: a queue, a thread, and a connection that is opened when there is something to
send.
"""

import logging
import queue
import select
import socket
import threading
import time

from OpenSSL import SSL

from shard_runtime.errors import HandshakeFailed, LinkClosed, LinkCongested, PeerUnreachable
from shard_runtime.identity import LinkIdentity
from shard_runtime.links.limits import LinkLimits
from shard_runtime.links.seam import Lost
from shard_runtime.links.stream import TlsStream, describe, set_kernel_timeouts
from shard_runtime.links.tls_context import client_context
from shard_runtime.peers import Peer, PeerDirectory
from teetee.errors import TeeTeeError
from teetee.identifiers import ShardId

_log = logging.getLogger(__name__)


class OutgoingLink:
    """To one shard. When frames are lost, all that wait are dropped and `lost` is told once."""

    def __init__(
        self,
        *,
        shard_id: ShardId,
        identity: LinkIdentity,
        directory: PeerDirectory,
        limits: LinkLimits,
        lost: Lost,
    ) -> None:
        self._shard_id = shard_id
        self._identity = identity
        self._directory = directory
        self._limits = limits
        self._lost = lost
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._stream: TlsStream | None = None
        self._socket: socket.socket | None = None
        self._pinned = b""
        self._used = time.monotonic()
        threading.Thread(target=self._run, name=f"link-to-{shard_id}", daemon=True).start()

    def send(self, body: bytes) -> None:
        """Raises `LinkCongested`."""
        with self._lock:
            if self._waiting_bytes + len(body) > self._limits.waiting_bytes:
                raise LinkCongested(self._shard_id, self._waiting_bytes, self._limits.waiting_bytes)
            self._waiting_bytes += len(body)
        self._waiting.put(body)

    def close(self) -> None:
        """The thread ends by itself, soon, after what waits has been sent."""
        self._closed.set()
        self._waiting.put(None)

    def _run(self) -> None:
        while not (self._closed.is_set() and self._waiting.empty()):
            try:
                body = self._waiting.get(timeout=self._limits.watch_seconds)
            except queue.Empty:
                self._look_after()
                continue
            if body is not None:
                self._deliver(body)
        self._disconnect()

    def _deliver(self, body: bytes) -> None:
        try:
            self._connected().send(body)
            self._used = time.monotonic()
            with self._lock:
                self._waiting_bytes -= len(body)
        except (TeeTeeError, OSError, SSL.Error) as error:
            kind = {"kind": type(error).__name__, "shard": self._shard_id}
            _log.warning("frames to a peer are lost", extra=kind)
            self._disconnect()
            self._drop_waiting()
            if not self._closed.is_set():
                self._lost(self._shard_id)

    def _drop_waiting(self) -> None:
        with self._lock:
            self._waiting_bytes = 0
            while not self._waiting.empty():
                self._waiting.get()

    def _look_after(self) -> None:
        """While nothing is to be sent: close what is idle, ended, or may not be used any more."""
        if self._stream is None:
            return
        if time.monotonic() - self._used > self._limits.idle_seconds:
            self._disconnect()
        elif self._ended_by_peer() or not self._directory.accepts(self._pinned):
            self._disconnect()
            self._lost(self._shard_id)

    def _connected(self) -> TlsStream:
        if self._stream is not None:
            if self._directory.accepts(self._pinned) and not self._ended_by_peer():
                return self._stream
            # A peer that came back has forgotten the runs which these frames belong to.
            raise LinkClosed("the peer closed it, or is not active any more")
        delay = self._limits.first_delay_seconds
        for attempt in range(self._limits.connect_attempts):
            try:
                return self._connect(self._directory.find(self._shard_id))
            except PeerUnreachable:
                last = attempt + 1 == self._limits.connect_attempts
                if last or self._closed.wait(delay):
                    raise
                delay *= 2
        raise AssertionError("connect_attempts must be at least 1")

    def _connect(self, peer: Peer) -> TlsStream:
        """Raises `PeerUnreachable` and, when trying again would not help, `HandshakeFailed`."""
        address, seconds = (peer.host, peer.port), self._limits.handshake_seconds
        try:
            connected = socket.create_connection(address, timeout=seconds)
        except OSError as error:
            reason = error.strerror or "it does not answer"
            raise PeerUnreachable(peer.shard_id, peer.host, peer.port, reason) from None
        try:
            connected.setblocking(True)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            set_kernel_timeouts(connected, seconds)
            stream = self._shake_hands(peer, connected)
        except BaseException:
            connected.close()
            raise
        self._stream, self._socket, self._pinned = stream, connected, peer.tls
        return stream

    def _shake_hands(self, peer: Peer, connected: socket.socket) -> TlsStream:
        connection = SSL.Connection(client_context(self._identity, peer.tls), connected)
        connection.set_connect_state()
        name = f"shard {peer.shard_id} at {peer.host}:{peer.port}"
        try:
            connection.do_handshake()
        except SSL.SysCallError as error:
            raise PeerUnreachable(peer.shard_id, peer.host, peer.port, describe(error)) from None
        except (SSL.Error, OSError):
            raise HandshakeFailed(name, "it has another key than the registry says") from None
        stream = TlsStream(connection, connected, peer.tls)
        stream.set_timeout(self._limits.handshake_seconds)
        try:
            # In TLS 1.3 a refused certificate shows only now: the listener says when it has
            # accepted ours.
            stream.receive(0)
        except LinkClosed:
            raise HandshakeFailed(name, "it does not accept our key") from None
        stream.set_timeout(self._limits.send_seconds)
        return stream

    def _ended_by_peer(self) -> bool:
        """A peer sends nothing on a link: whatever can be read is the end of it."""
        poll = select.poll()
        assert self._socket is not None
        poll.register(self._socket, select.POLLIN | select.POLLHUP | select.POLLERR)
        return bool(poll.poll(0))

    def _disconnect(self) -> None:
        if self._stream is not None:
            self._stream.finish()
            self._stream = self._socket = None
