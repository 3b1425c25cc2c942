# SPDX-License-Identifier: Apache-2.0
"""A TCP relay on loopback that records every byte, and can stall, shut or redirect connections.

It stands between the processes of a world, where a network observer could: what it records is what
such an observer sees.
"""

import socket
import threading
from contextlib import suppress

LOOPBACK = "127.0.0.1"
PIECE_BYTES = 65_536


class Relay:
    """Relays from its own `port` to `target` on loopback."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._recorded: list[bytearray] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_shut = False
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def recorded(self) -> bytes:
        """All bytes; each direction of each connection is contiguous."""
        with self._lock:
            return b"\0".join(self._recorded)

    @property
    def open_sockets(self) -> int:
        """The number of open sockets: two for each connection."""
        with self._lock:
            return len(self._open)

    def stall(self) -> None:
        """Hold back all bytes without closing anything."""
        self._flows.clear()

    def resume(self) -> None:
        """Forward what was held back, and all that follows."""
        self._flows.set()

    def shut(self) -> None:
        """Close all connections, and new ones immediately."""
        self._is_shut = True
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _close(end)

    def restore(self) -> None:
        """Relay new connections again."""
        self._is_shut = False

    def redirect(self, target: int) -> None:
        """Relay new connections to another port, and close the present ones."""
        self.target = target
        self.shut()
        self.restore()

    def close(self) -> None:
        """Shut it for good."""
        self.shut()
        _close(self._listener)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        try:
            if self._is_shut:
                raise ConnectionRefusedError
            far = socket.create_connection((LOOPBACK, self.target))
        except OSError:
            _close(near)
            return
        with self._lock:
            self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        recorded = bytearray()
        with self._lock:
            self._recorded.append(recorded)
        with suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                with self._lock:
                    recorded += piece
                self._flows.wait()
                sink.sendall(piece)
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)


class Relays:
    """One relay for each port of a world, found by the port behind it."""

    def __init__(self) -> None:
        self._by_target: dict[int, Relay] = {}

    def front(self, target: int) -> int:
        """The port of a new relay in front of `target`."""
        relay = self._by_target[target] = Relay(target)
        return relay.port

    def before(self, target: int) -> Relay:
        """The relay in front of this port."""
        return self._by_target[target]

    def recorded(self) -> bytes:
        """The bytes recorded by all relays."""
        return b"".join(relay.recorded() for relay in self._by_target.values())

    def close(self) -> None:
        """Close all relays."""
        for relay in self._by_target.values():
            relay.close()


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
