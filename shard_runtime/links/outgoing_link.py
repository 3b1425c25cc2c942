# SPDX-License-Identifier: Apache-2.0
"""Frames to one peer, over a connection that is opened when there is something to send.

Who sends writes to an open connection itself, which spares each hop the waking of a thread. What
would have to wait (for the connection, or for a peer that reads slowly) is left to the link's own
thread, in a queue.
"""

import logging
import queue
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from OpenSSL import SSL

from shard_runtime.errors import HandshakeFailed, LinkClosed, LinkCongested, PeerUnreachable
from shard_runtime.links.identity import LinkIdentity
from shard_runtime.links.limits import LinkLimits
from shard_runtime.links.peers import Peer, PeerDirectory
from shard_runtime.links.port import Lost
from shard_runtime.links.stream import FrameWriter, TlsStream, describe, set_kernel_timeouts
from shard_runtime.links.tls_context import client_context
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """For the thread."""

    size: int
    body: bytes | None = field(default=None, repr=False)
    """None: the writer holds the rest of it."""


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
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._counting = threading.Lock()
        """For these two; held for moments."""
        self._writing = threading.Lock()
        """For the connection; the thread holds it while it waits for the peer."""
        self._closed = threading.Event()
        self._stream: TlsStream | None = None
        self._writer: FrameWriter | None = None
        self._readable = select.poll()
        self._pinned = b""
        self._used = time.monotonic()
        threading.Thread(target=self._run, name=f"link-to-{shard_id}", daemon=True).start()

    def send(self, body: bytes) -> None:
        """Never waits for the peer. Raises `LinkCongested`."""
        with self._counting:
            if self._waiting_bytes + len(body) > self._limits.waiting_bytes:
                raise LinkCongested(self._shard_id, self._waiting_bytes, self._limits.waiting_bytes)
            # Nothing overtakes what waits: frames arrive in the order in which they were sent.
            is_first = self._waiting_bytes == 0
            self._waiting_bytes += len(body)
            if not (is_first and self._writer and self._writing.acquire(blocking=False)):
                self._waiting.put(_Waiting(len(body), body))
                return
        try:
            is_kept = self._keeps(partial(self._write, body))
        finally:
            self._writing.release()
        self._tell(is_kept)

    def close(self) -> None:
        """The thread ends by itself, soon, after what waits has been sent."""
        self._closed.set()
        self._waiting.put(None)

    def _run(self) -> None:
        while not (self._closed.is_set() and self._waiting.empty()):
            try:
                waiting = self._waiting.get(timeout=self._limits.watch_seconds)
            except queue.Empty:
                waiting = None
            with self._writing:
                is_kept = self._keeps(partial(self._deliver, waiting))
            self._tell(is_kept)
        with self._writing:
            self._disconnect()

    # -- by whoever holds `_writing` -----------------------------------------------------------

    def _keeps(self, work: Callable[[], None]) -> bool:
        """Whether the connection bears it; if not, it ends, and all that waits with it."""
        try:
            work()
        except (TeeTeeError, OSError, SSL.Error) as error:
            self._disconnect()
            with self._counting:
                kind = {"kind": type(error).__name__, "shard": self._shard_id}
                if self._waiting_bytes:
                    _log.warning("frames to a peer are lost", extra=kind)
                self._waiting_bytes = 0
                while not self._waiting.empty():
                    self._waiting.get()
            return False
        return True

    def _write(self, body: bytes) -> None:
        """Without waiting: what does not go now is left to the thread."""
        if self._writer is None:
            self._waiting.put(_Waiting(len(body), body))
            return
        self._check_active()
        is_whole = self._writer.write(body)
        self._check_connected()  # now that nobody waits for it
        if is_whole:
            self._gone(len(body))
        else:
            self._waiting.put(_Waiting(len(body)))

    def _deliver(self, waiting: _Waiting | None) -> None:
        if waiting is None:
            self._look_after()
            return
        writer, stall = self._connected(), self._limits.send_seconds
        writer.flush(stall)
        if waiting.body is not None and not writer.write(waiting.body):
            writer.flush(stall)
        self._gone(waiting.size)

    def _gone(self, size: int) -> None:
        self._used = time.monotonic()
        with self._counting:
            self._waiting_bytes = max(0, self._waiting_bytes - size)

    def _look_after(self) -> None:
        """While nothing is to be sent: close what is idle, ended, or may not be used any more."""
        if self._stream is None:
            return
        if time.monotonic() - self._used > self._limits.idle_seconds:
            self._disconnect()
        else:
            self._check_open()

    def _check_open(self) -> None:
        self._check_active()
        self._check_connected()

    def _check_connected(self) -> None:
        """A peer sends nothing on a link: whatever can be read is the end of it. One that came back
        has forgotten the runs which our frames belong to, so nothing connects again in between.
        """
        if self._readable.poll(0):
            raise LinkClosed("the peer closed it")

    def _check_active(self) -> None:
        if not self._directory.accepts(self._pinned):
            raise LinkClosed("the peer is not active any more")

    def _connected(self) -> FrameWriter:
        if self._writer is not None:
            self._check_open()
            return self._writer
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

    def _connect(self, peer: Peer) -> FrameWriter:
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
        self._readable = select.poll()
        self._readable.register(connected, select.POLLIN | select.POLLHUP | select.POLLERR)
        self._stream, self._writer, self._pinned = stream, stream.writer(), peer.tls
        return self._writer

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
        return stream

    def _disconnect(self) -> None:
        if self._stream is not None:
            self._stream.finish()
            self._stream = self._writer = None

    # -- by whoever does not -------------------------------------------------------------------

    def _tell(self, is_kept: bool) -> None:
        if not (is_kept or self._closed.is_set()):
            self._lost(self._shard_id)
