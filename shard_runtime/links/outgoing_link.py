# SPDX-License-Identifier: Apache-2.0
"""Frames to one peer, over a connection that opens when there is something to send.

The sending thread writes to an open connection itself, which saves waking another thread on each
hop. What would block (connecting, or a peer that reads slowly) goes through a queue to the link's
own thread.
"""

import errno
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
from shard_runtime.links.port import OnPeerLost
from shard_runtime.links.stream import FrameWriter, TlsStream, describe, set_kernel_timeouts
from shard_runtime.links.tls_context import client_context
from teetee.protocol.endpoint import can_be_peer, server_name_of
from teetee.protocol.identifiers import ShardId

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _QueuedFrame:
    """For the link's thread."""

    size: int
    body: bytes | None = field(default=None, repr=False)
    """None: the writer holds the rest of it."""


@dataclass(frozen=True, slots=True)
class LinkReport:
    """The state of a link to a peer."""

    is_connected: bool
    waiting_bytes: int
    """Of frames that wait to be sent."""


class OutgoingLink:
    """To one shard with one key: if the directory shows another key for the shard, this link is not
    opened again. When frames are lost, the queue is dropped and `on_lost` is called once.
    """

    def __init__(
        self,
        *,
        shard_id: ShardId,
        tls: bytes,
        identity: LinkIdentity,
        directory: PeerDirectory,
        limits: LinkLimits,
        on_lost: OnPeerLost,
        is_directory_of_hosts: bool = False,
    ) -> None:
        """`is_directory_of_hosts`: other hosts wrote the addresses; see `can_be_peer`."""
        self.tls = tls
        """The key that the peer must have."""
        self._shard_id = shard_id
        self._identity = identity
        self._directory = directory
        self._limits = limits
        self._on_lost = on_lost
        self._may_connect = can_be_peer if is_directory_of_hosts else _any_address
        self._queue: queue.SimpleQueue[_QueuedFrame | None] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._queue_lock = threading.Lock()
        """Guards these two; held for moments."""
        self._connection_lock = threading.Lock()
        """Guards the connection; the link's thread holds it while it waits for the peer."""
        self._closed = threading.Event()
        self._stream: TlsStream | None = None
        self._writer: FrameWriter | None = None
        self._readable = select.poll()
        self._last_sent_at = time.monotonic()
        threading.Thread(target=self._run, name=f"link-to-{shard_id}", daemon=True).start()

    def report(self) -> LinkReport:
        """Its present state; takes no lock, so the two facts may be of different moments."""
        return LinkReport(self._stream is not None, self._queued_bytes)

    def send_frame(self, body: bytes) -> None:
        """Never waits for the peer. Raises `LinkCongested`."""
        with self._queue_lock:
            if self._queued_bytes + len(body) > self._limits.waiting_bytes:
                raise LinkCongested(self._shard_id, self._queued_bytes, self._limits.waiting_bytes)
            # Only with an empty queue, so that frames arrive in the order in which they were sent.
            may_write = self._queued_bytes == 0 and self._writer
            self._queued_bytes += len(body)
            if not (may_write and self._connection_lock.acquire(blocking=False)):
                self._queue.put(_QueuedFrame(len(body), body))
                return
        try:
            is_connected = self._run_or_disconnect(partial(self._write_or_queue, body))
        finally:
            self._connection_lock.release()
        if not is_connected:
            self._report_loss()

    def close(self) -> None:
        """The thread ends by itself soon, after it has sent the queue."""
        self._closed.set()
        self._queue.put(None)

    def _run(self) -> None:
        while not (self._closed.is_set() and self._queue.empty()):
            try:
                frame = self._queue.get(timeout=self._limits.watch_seconds)
            except queue.Empty:
                frame = None
            work = self._maintain if frame is None else partial(self._deliver, frame)
            with self._connection_lock:
                is_connected = self._run_or_disconnect(work)
            if not is_connected:
                self._report_loss()
        with self._connection_lock:
            self._disconnect()

    def _report_loss(self) -> None:
        """Called without the locks."""
        if not self._closed.is_set():
            self._on_lost(self._shard_id)

    # -- with `_connection_lock` held ----------------------------------------------------------

    def _run_or_disconnect(self, work: Callable[[], None]) -> bool:
        """Run `work`. On any error, close the link, drop the queue and return False: whatever
        happens, the link's thread goes on.
        """
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the thread's boundary; the message may hold content
            self._disconnect()
            with self._queue_lock:
                if self._queued_bytes:
                    facts = {"kind": type(error).__name__, "peer": self._shard_id}
                    _log.warning("frames to a peer were lost", extra=facts)
                self._queued_bytes = 0
                while not self._queue.empty():
                    self._queue.get()
            return False
        return True

    def _write_or_queue(self, body: bytes) -> None:
        """Write without waiting, and queue the rest."""
        if self._writer is None:
            self._queue.put(_QueuedFrame(len(body), body))
            return
        self._check_active()
        is_whole = self._writer.write(body)
        self._check_connected()  # after the frame, which it would delay
        if is_whole:
            self._record_sent(len(body))
        else:
            self._queue.put(_QueuedFrame(len(body)))

    def _deliver(self, frame: _QueuedFrame) -> None:
        writer, stall_seconds = self._open_writer(), self._limits.send_seconds
        writer.flush(stall_seconds)
        if frame.body is not None and not writer.write(frame.body):
            writer.flush(stall_seconds)
        self._record_sent(frame.size)

    def _record_sent(self, size: int) -> None:
        self._last_sent_at = time.monotonic()
        with self._queue_lock:
            self._queued_bytes = max(0, self._queued_bytes - size)

    def _maintain(self) -> None:
        """With nothing to send: close a connection that is idle, ended or not allowed any more."""
        if self._stream is None:
            return
        if time.monotonic() - self._last_sent_at > self._limits.idle_seconds:
            self._disconnect()
        else:
            self._check_active()
            self._check_connected()

    def _check_connected(self) -> None:
        """Raises `LinkClosed` if anything is readable: a peer sends nothing on a link, so that is
        its end. A peer that restarted has forgotten the runs of our frames, so the link must not
        reconnect silently.
        """
        if self._readable.poll(0):
            raise LinkClosed("the peer closed it")

    def _check_active(self) -> None:
        if not self._directory.accepts(self.tls):
            raise LinkClosed("the peer is not active any more")

    def _open_writer(self) -> FrameWriter:
        if self._writer is not None:
            self._check_active()
            self._check_connected()
            return self._writer
        delay = self._limits.first_delay_seconds
        for attempt in range(self._limits.connect_attempts):
            try:
                return self._connect(self._directory.find(self._shard_id))
            except PeerUnreachable:
                is_last = attempt + 1 == self._limits.connect_attempts
                if is_last or self._closed.wait(delay):
                    raise
                delay *= 2
        raise AssertionError("connect_attempts must be at least 1")

    def _connect(self, peer: Peer) -> FrameWriter:
        """Raises `PeerUnreachable`, and `HandshakeFailed` if trying again would not help."""
        if peer.tls != self.tls:
            raise HandshakeFailed(f"shard {peer.shard_id}", "it has another key than before")
        seconds = self._limits.handshake_seconds
        try:
            connected = _open_socket(peer.host, peer.port, self._may_connect, timeout=seconds)
        except OSError as error:
            reason = error.strerror or "it does not answer"
            raise PeerUnreachable(peer.shard_id, peer.host, peer.port, reason) from None
        try:
            connected.setblocking(True)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            set_kernel_timeouts(connected, seconds)
            stream = self._handshake(peer, connected)
        except BaseException:
            connected.close()
            raise
        self._readable = select.poll()
        self._readable.register(connected, select.POLLIN | select.POLLHUP | select.POLLERR)
        self._stream, self._writer = stream, stream.writer()
        return self._writer

    def _handshake(self, peer: Peer, connected: socket.socket) -> TlsStream:
        connection = SSL.Connection(client_context(self._identity, peer.tls), connected)
        connection.set_connect_state()
        if (server_name := server_name_of(peer.host)) is not None:
            connection.set_tlsext_host_name(server_name.encode("ascii"))
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
            # TLS 1.3 reports a refused certificate only now: the listener sends an empty message
            # once it has accepted ours.
            stream.receive(0)
        except LinkClosed:
            raise HandshakeFailed(name, "it does not accept our key") from None
        return stream

    def _disconnect(self) -> None:
        if self._stream is not None:
            self._stream.finish()
            self._stream = self._writer = None


def _any_address(_: str) -> bool:
    """For directories whose addresses no other host wrote."""
    return True


def _open_socket(
    host: str, port: int, may_connect: Callable[[str], bool], *, timeout: float
) -> socket.socket:
    """A connection to the first address of `host` that takes it. Addresses are checked after the
    name is resolved: who owns the name decides what it means at this moment. Raises `OSError`.
    """
    failure = OSError(errno.EHOSTUNREACH, "it has no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not may_connect(str(place[0])):
            failure = OSError(errno.EACCES, "its address is none of another machine")
            continue
        connecting = socket.socket(family, kind, protocol)
        try:
            connecting.settimeout(timeout)
            connecting.connect(place)
        except OSError as error:
            connecting.close()
            failure = error
            continue
        return connecting
    raise failure
