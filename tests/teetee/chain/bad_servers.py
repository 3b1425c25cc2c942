# SPDX-License-Identifier: Apache-2.0
"""Servers that answer, and never end."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yields the URL of a server that treats each connection as told."""

    def one(accepted: socket.socket) -> None:
        with accepted, suppress(OSError):
            accepted.recv(1 << 16)
            serve(accepted)

    def accept_all() -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                threading.Thread(target=one, args=(accepted,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept_all, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def drip_body(accepted: socket.socket) -> None:
    """Spaces, slowly, for ever."""
    accepted.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
    while True:
        accepted.sendall(b" ")
        time.sleep(0.05)


def drip_header(accepted: socket.socket) -> None:
    """A header that does not end."""
    accepted.sendall(HEAD + b"X-Long: ")
    while True:
        accepted.sendall(b"x")
        time.sleep(0.05)


def flood(accepted: socket.socket) -> None:
    """1.5 GB."""
    accepted.sendall(HEAD + b"\r\n")
    for _ in range(1500):
        accepted.sendall(b" " * (1 << 20))
