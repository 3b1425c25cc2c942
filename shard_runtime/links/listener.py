# SPDX-License-Identifier: Apache-2.0
"""One port for every purpose. The ALPN chooses it; only `teetee-link/1` requires a client
certificate with a pinned key.

    start     binds the port, or raises why it cannot
    accept    one thread; each connection gets a thread for its handshake and its handler
    watch     one thread; ends handshakes and messages of strangers that take too long, and links of
              peers that are no longer accepted; starts the accepting thread again, should it ever
              end
    close     closes all
"""

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from OpenSSL import SSL

from shard_runtime.errors import HandshakeFailed, LinkClosed, PortUnavailable
from shard_runtime.links.identity import LinkIdentity
from shard_runtime.links.limits import LinkLimits
from shard_runtime.links.places import ConnectionPlaces
from shard_runtime.links.stream import Stream, TlsStream, describe, set_kernel_timeouts
from shard_runtime.links.tls_context import Accepts, peer_tls, server_context
from teetee.errors import TeeTeeError
from teetee.protocol.endpoint import LINK_ALPN

_log = logging.getLogger(__name__)

Handler = Callable[[Stream], None]
"""Runs in its own thread; the connection closes when it returns."""


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    address: str
    accepted_at: float
    stream: TlsStream | None = None
    """None until the handshake is done."""
    purpose: str | None = None
    """The ALPN; None until the handshake is done."""

    def is_silent(self) -> bool:
        """Whether its handler still waits for its first message."""
        return self.stream is not None and self.stream.awaits_first_message


class Listener:
    """`handlers` maps ALPN names to handlers; `handle` adds more, also after `start`."""

    def __init__(
        self,
        *,
        identity: LinkIdentity,
        host: str,
        port: int,
        handlers: Mapping[str, Handler] | None = None,
        limits: LinkLimits | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._handlers = dict(handlers or {})
        self._limits = limits or LinkLimits()
        self._accepts: Accepts = lambda _: False
        self._context = server_context(identity, self._purposes, self._accepts_peer)
        self._socket: socket.socket | None = None
        self._places: ConnectionPlaces[_Connection] = ConnectionPlaces(
            self._limits, _Connection.is_silent
        )
        self._accepting: threading.Thread | None = None
        self._has_dropped = False
        """A connection was dropped for lack of a thread since the last look."""
        self._closed = threading.Event()

    @property
    def port(self) -> int:
        """The port in use; if 0 was asked for, the one that the system chose."""
        return self._port

    @property
    def is_accepting(self) -> bool:
        """Whether its accepting thread is alive."""
        return self._accepting is not None and self._accepting.is_alive()

    def connections(self) -> list[tuple[str | None, bytes | None]]:
        """The open ones: ALPN (None during the handshake), and the pinned key of a link's peer."""
        return [
            (each.purpose, None if each.stream is None else each.stream.peer_tls)
            for each in self._places.all()
        ]

    def handle(self, alpn: str, handler: Handler, accepts: Accepts | None = None) -> None:
        """Serve one more purpose. `accepts` belongs to `teetee-link/1`: whose key may connect."""
        if accepts is not None:
            self._accepts = accepts
        self._handlers = {**self._handlers, alpn: handler}

    def start(self) -> None:
        """Raises `PortUnavailable`."""
        try:
            self._socket = socket.create_server((self._host, self._port), backlog=128)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            reason = "another process uses it" if in_use else (error.strerror or "no such address")
            raise PortUnavailable(self._host, self._port, reason) from None
        self._port = self._socket.getsockname()[1]
        self._start_accepting()
        threading.Thread(target=self._watch, name="listener-watch", daemon=True).start()

    def close(self) -> None:
        """End all connections and free the port."""
        self._closed.set()
        if self._socket is not None:
            # A thread blocked in accept keeps the port open until it is woken.
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("the listening socket was closed already")
            self._socket.close()
        for connection in self._places.all():
            self._disconnect(connection)

    def _purposes(self) -> frozenset[str]:
        return frozenset(self._handlers)

    def _accepts_peer(self, tls: bytes) -> bool:
        return self._accepts(tls)

    def _start_accepting(self) -> None:
        self._accepting = threading.Thread(target=self._accept, name="listener-accept", daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        assert self._socket is not None
        while not self._closed.is_set():
            try:
                accepted, address = self._socket.accept()
            except OSError:
                if self._closed.wait(0.05):  # or no file descriptors: wait for some
                    return
                continue
            connection = _Connection(accepted, str(address[0]), time.monotonic())
            try:
                self._open(connection)
            except Exception:  # noqa: BLE001 - whatever happens, the next client is accepted
                self._has_dropped = True
                self._places.remove(connection)
                accepted.close()

    def _open(self, connection: _Connection) -> None:
        """Raises `RuntimeError` if no further thread can start."""
        if (replaced := self._places.add(connection, connection.address)) is not None:
            self._disconnect(replaced)
        threading.Thread(
            target=self._serve, args=(connection,), name="listener-connection", daemon=True
        ).start()

    def _serve(self, connection: _Connection) -> None:
        try:
            purpose = self._handshake(connection)
            assert connection.stream is not None
            self._handlers[purpose](connection.stream)
        except (HandshakeFailed, LinkClosed) as error:
            _log.info("a connection ended", extra=_facts(connection, error))
        except TeeTeeError as error:
            _log.warning("a connection was closed", extra=_facts(connection, error))
        except Exception as error:  # noqa: BLE001 - a thread's boundary; the message may hold content
            _log.error("a handler failed", extra=_facts(connection, error))
        finally:
            if (replaced := self._places.let_linger(connection)) is not None:
                self._disconnect(replaced)
            if connection.stream is not None:
                connection.stream.finish()
            connection.socket.close()
            self._places.remove(connection)

    def _handshake(self, connection: _Connection) -> str:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        set_kernel_timeouts(connection.socket, self._limits.accept_seconds)
        tls_connection = SSL.Connection(self._context, connection.socket)
        tls_connection.set_accept_state()
        try:
            tls_connection.do_handshake()
        except (SSL.Error, OSError) as error:
            raise HandshakeFailed(connection.address, describe(error)) from None
        purpose = tls_connection.get_alpn_proto_negotiated().decode("ascii", "replace")
        if purpose not in self._handlers:
            raise HandshakeFailed(connection.address, "it names no purpose")
        tls = peer_tls(tls_connection) if purpose == LINK_ALPN else None
        self._hold(connection, tls)
        connection.purpose = purpose
        connection.stream = TlsStream(tls_connection, connection.socket, tls)
        connection.stream.set_timeout(self._limits.receive_seconds)
        return purpose

    def _hold(self, connection: _Connection, tls: bytes | None) -> None:
        """Give an identified connection a place. Raises `HandshakeFailed` if there is none."""
        places = self._places
        replaced = (
            places.hold_stranger(connection) if tls is None else places.hold_link(connection, tls)
        )
        if replaced is None:
            raise HandshakeFailed(connection.address, "there are too many connections")
        for each in replaced:
            self._disconnect(each)

    def _watch(self) -> None:
        while not self._closed.wait(self._limits.watch_seconds):
            try:
                self._look_after()
            except Exception as error:  # noqa: BLE001 - the thread's boundary: it looks again
                _log.error("a listener's watch failed", extra={"kind": type(error).__name__})

    def _look_after(self) -> None:
        if self._has_dropped:
            self._has_dropped = False
            _log.error("connections were dropped: no thread could be started")
        if not self.is_accepting:
            self._start_accepting()
        for connection in self._places.all():
            if self._must_end(connection, time.monotonic()):
                self._disconnect(connection)

    def _must_end(self, connection: _Connection, now: float) -> bool:
        stream = connection.stream
        if stream is None:
            return connection.accepted_at < now - self._limits.accept_seconds
        if stream.peer_tls is None:
            # The kernel's timeout begins again with each byte, also within a record of TLS.
            return stream.receives_until < now
        return not self._accepts(stream.peer_tls)

    @staticmethod
    def _disconnect(connection: _Connection) -> None:
        """Wake the connection's thread, which then cleans up."""
        try:
            connection.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            _log.debug("a connection was closed already")


def _facts(connection: _Connection, error: Exception) -> dict[str, str]:
    """For the log; only a link's peer has a name."""
    facts = {"kind": type(error).__name__}
    tls = None if connection.stream is None else connection.stream.peer_tls
    return facts if tls is None else {**facts, "peer": f"0x{tls.hex()}"}
