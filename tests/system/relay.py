# SPDX-License-Identifier: Apache-2.0
"""A TCP relay on loopback that keeps a copy of every byte, and can go silent or lead astray.

It stands between the processes of a world, where somebody on the network could stand: what it hears
is all that such a listener hears.
"""

import socket
import threading
from contextlib import suppress

LOOPBACK = "127.0.0.1"
PIECE_BYTES = 65_536


class Relay:
    """Leads from its own `port` to `target` on loopback."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._heard: list[bytearray] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_down = False
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def heard(self) -> bytes:
        """All bytes, each direction of each connection in one piece."""
        with self._lock:
            return b"\0".join(self._heard)

    @property
    def open_ends(self) -> int:
        """How many sockets are open: two for each connection."""
        with self._lock:
            return len(self._open)

    def hold(self) -> None:
        """Keep back what comes, without closing anything: a network that stalls."""
        self._flows.clear()

    def release(self) -> None:
        """Let go what was kept back, and go on."""
        self._flows.set()

    def go_down(self) -> None:
        """Close what is open, and close every new connection at once."""
        self._is_down = True
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _close(end)

    def come_back(self) -> None:
        """Relay again."""
        self._is_down = False

    def redirect(self, target: int) -> None:
        """Lead new connections elsewhere, and close the present ones."""
        self.target = target
        self.go_down()
        self.come_back()

    def close(self) -> None:
        """For good."""
        self.go_down()
        _close(self._listener)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        try:
            if self._is_down:
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
        heard = bytearray()
        with self._lock:
            self._heard.append(heard)
        with suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                with self._lock:
                    heard += piece
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
        """The port of a new relay before `target`."""
        relay = self._by_target[target] = Relay(target)
        return relay.port

    def before(self, target: int) -> Relay:
        """The relay that was made for this port."""
        return self._by_target[target]

    def heard(self) -> bytes:
        """By all of them."""
        return b"".join(relay.heard() for relay in self._by_target.values())

    def close(self) -> None:
        """All of them."""
        for relay in self._by_target.values():
            relay.close()


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
