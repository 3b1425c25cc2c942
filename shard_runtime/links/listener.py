# SPDX-License-Identifier: Apache-2.0
"""One port for every purpose. The ALPN chooses it; `teetee-link/1` alone demands a pinned client
certificate.

    startup     bind, or say who is in the way
    accept      one thread; each connection gets a thread for handshake and handler
    watch       one thread; ends handshakes that take too long and links of peers that are accepted
    no more shutdown    closes all
"""

import errno
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from OpenSSL import SSL

from shard_runtime.errors import HandshakeFailed, LinkClosed, PortUnavailable
from shard_runtime.links.identity import LinkIdentity
from shard_runtime.links.limits import LinkLimits
from shard_runtime.links.stream import Stream, TlsStream, describe, set_kernel_timeouts
from shard_runtime.links.tls_context import LINK_ALPN, Accepts, peer_tls, server_context
from teetee.errors import TeeTeeError

_log = logging.getLogger(__name__)

Handler = Callable[[Stream], None]
"""Runs in a thread of its own; the connection closes when it returns."""


@dataclass(slots=True, eq=False)
class _Guest:
    connected: socket.socket
    address: str
    since: float
    stream: TlsStream | None = None


class Listener:
    """Not started when made. `handlers` maps ALPN names to handlers; more may come later."""

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
        self._context = server_context(identity, self._purposes, self._accepts_now)
        self._socket: socket.socket | None = None
        self._guests: set[_Guest] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def port(self) -> int:
        """The port in use: where 0 was asked for, the one that was given."""
        return self._port

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
        for loop, name in ((self._accept, "accept"), (self._watch, "watch")):
            threading.Thread(target=loop, name=f"listener-{name}", daemon=True).start()

    def close(self) -> None:
        """End everything that is connected and free the port."""
        self._closed.set()
        if self._socket is not None:
            # A thread blocked in accept keeps the port open until it is woken.
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("the listening socket was closed already")
            self._socket.close()
        for guest in self._present():
            self._disconnect(guest)

    def _purposes(self) -> frozenset[str]:
        return frozenset(self._handlers)

    def _accepts_now(self, tls: bytes) -> bool:
        return self._accepts(tls)

    def _accept(self) -> None:
        assert self._socket is not None
        while not self._closed.is_set():
            try:
                connected, address = self._socket.accept()
            except OSError:
                if self._closed.wait(0.05):  # or out of file descriptors: let some be freed
                    return
                continue
            guest = _Guest(connected, str(address[0]), time.monotonic())
            if self._admit(guest):
                threading.Thread(
                    target=self._serve, args=(guest,), name="listener-guest", daemon=True
                ).start()
            else:
                connected.close()

    def _admit(self, guest: _Guest) -> bool:
        with self._lock:
            from_there = Counter(present.address for present in self._guests)[guest.address]
            if (
                len(self._guests) >= self._limits.connections
                or from_there >= self._limits.connections_per_address
            ):
                return False
            self._guests.add(guest)
            return True

    def _serve(self, guest: _Guest) -> None:
        try:
            purpose = self._shake_hands(guest)
            assert guest.stream is not None
            self._handlers[purpose](guest.stream)
        except (HandshakeFailed, LinkClosed) as error:
            _log.info("a connection ended", extra={"kind": type(error).__name__})
        except TeeTeeError as error:
            _log.warning("a connection was given up", extra={"kind": type(error).__name__})
        except Exception as error:  # noqa: BLE001 - a thread's boundary; the message may hold content
            _log.error("a handler failed", extra={"kind": type(error).__name__})
        finally:
            if guest.stream is not None:
                guest.stream.finish()
            guest.connected.close()
            with self._lock:
                self._guests.discard(guest)

    def _shake_hands(self, guest: _Guest) -> str:
        guest.connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        set_kernel_timeouts(guest.connected, self._limits.handshake_seconds)
        connection = SSL.Connection(self._context, guest.connected)
        connection.set_accept_state()
        try:
            connection.do_handshake()
        except (SSL.Error, OSError) as error:
            raise HandshakeFailed(guest.address, describe(error)) from None
        purpose = connection.get_alpn_proto_negotiated().decode("ascii", "replace")
        if purpose not in self._handlers:
            raise HandshakeFailed(guest.address, "it names no purpose")
        tls = peer_tls(connection) if purpose == LINK_ALPN else None
        guest.stream = TlsStream(connection, guest.connected, tls)
        guest.stream.set_timeout(self._limits.receive_seconds)
        return purpose

    def _watch(self) -> None:
        while not self._closed.wait(self._limits.watch_seconds):
            late = time.monotonic() - self._limits.handshake_seconds
            for guest in self._present():
                if guest.stream is None:
                    unfit = guest.since < late
                else:
                    tls = guest.stream.peer_tls
                    unfit = tls is not None and not self._accepts(tls)
                if unfit:
                    self._disconnect(guest)

    def _present(self) -> list[_Guest]:
        with self._lock:
            return list(self._guests)

    @staticmethod
    def _disconnect(guest: _Guest) -> None:
        """Wakes the guest's thread, which then cleans up."""
        try:
            guest.connected.shutdown(socket.SHUT_RDWR)
        except OSError:
            _log.debug("a connection was closed already")
