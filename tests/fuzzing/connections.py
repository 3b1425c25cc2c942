# SPDX-License-Identifier: Apache-2.0
"""Both ends of a connection whose other side sends what a fuzzer chose. No socket, no waiting."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shard_runtime.errors import FrameInvalid, LinkClosed
from teetee.client import pinned_tls


class ServedBody:
    """An endpoint's end: the client sends one body, and reads all replies."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self.replies: list[bytes] = []

    def receive(self, limit: int) -> bytes:
        body, self._body = self._body, None
        if body is None:
            raise LinkClosed("the peer closed it")
        if len(body) > limit:
            raise FrameInvalid("is too long")
        return body

    def send(self, body: bytes) -> None:
        self.replies.append(body)

    def set_timeout(self, seconds: float) -> None:
        """Nothing waits here."""


class NeverWaits(threading.Event):
    """An event of an endpoint whose pauses take no time."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


class _Connection:
    """A wallet's end: the enclave sends these bytes in two pieces, and closes."""

    def __init__(self, data: bytes) -> None:
        half = len(data) // 2
        self._pieces = [piece for piece in (data[:half], data[half:]) if piece]

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def settimeout(self, seconds: float) -> None:
        """Nothing waits here."""

    def sendall(self, data: bytes) -> None:
        """Read by no one."""

    def recv(self, size: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


@contextmanager
def enclave_sends(data: bytes, tls: bytes) -> Iterator[None]:
    """Within it, every enclave that a wallet connects to has that TLS key, and sends `data`."""
    connect, key_hash = pinned_tls.connect, pinned_tls.key_hash

    def connected(*_: Any, **__: Any) -> Any:
        return _Connection(data)

    pinned_tls.connect, pinned_tls.key_hash = connected, lambda _: tls
    try:
        yield
    finally:
        pinned_tls.connect, pinned_tls.key_hash = connect, key_hash
