# SPDX-License-Identifier: Apache-2.0
"""A connection after its handshake: whole messages of `u32 length ‖ body`, with a deadline for
each.
"""

import contextlib
import select
import socket
import struct
import time
from typing import Protocol

from OpenSSL import SSL

from shard_runtime.errors import FrameInvalid, LinkClosed

_LENGTH_BYTES = 4
_RECORD_BYTES = 1 << 14
"""TLS gives at most one record at a time, so a larger buffer is only larger."""
_LINGER_SECONDS = 1
_LINGER_BYTES = 1 << 16


class Stream(Protocol):
    """What a handler of `Listener` gets. For one thread, but for `close`."""

    @property
    def peer_tls(self) -> bytes | None:
        """The peer's pinned key; None on purposes that ask for no client certificate."""
        ...

    def receive(self, limit: int) -> bytes:
        """The next body. Raises `LinkClosed` (also after the time-out), `FrameInvalid` beyond
        `limit` bytes.
        """
        ...

    def send(self, body: bytes) -> None:
        """Send one body. Raises `LinkClosed`."""
        ...

    def set_timeout(self, seconds: float) -> None:
        """For each whole `receive` and each stall of a `send` from now on."""
        ...

    def close(self) -> None:
        """From any thread, any number of times: whoever waits in `receive` or `send` gets
        `LinkClosed`.
        """
        ...


class TlsStream:
    """A `Stream` over TLS on a blocking socket; time-outs are the kernel's, so no thread is woken
    for them.
    """

    def __init__(
        self, connection: SSL.Connection, connected: socket.socket, peer_tls: bytes | None
    ) -> None:
        self._connection = connection
        self._socket = connected
        self._peer_tls = peer_tls
        self._seconds = 0.0

    @property
    def peer_tls(self) -> bytes | None:
        return self._peer_tls

    def receive(self, limit: int) -> bytes:
        deadline = time.monotonic() + self._seconds
        length = int.from_bytes(self._read(_LENGTH_BYTES, deadline))
        if length > limit:
            raise FrameInvalid(f"announces {length} bytes, and at most {limit} are taken")
        return self._read(length, deadline)

    def send(self, body: bytes) -> None:
        try:
            self._connection.sendall(_framed(body))
        except (SSL.Error, OSError) as error:
            raise LinkClosed(describe(error)) from None

    def set_timeout(self, seconds: float) -> None:
        self._seconds = seconds
        set_kernel_timeouts(self._socket, seconds)

    def writer(self) -> "FrameWriter":
        """For who may not wait; instead of `send` and `receive` from now on."""
        return FrameWriter(self._connection, self._socket)

    def finish(self) -> None:
        """Say goodbye and close, so that what was sent arrives. By the thread that sends."""
        with contextlib.suppress(SSL.Error, OSError):
            self._socket.setblocking(True)
            set_kernel_timeouts(self._socket, _LINGER_SECONDS)
            self._connection.shutdown()
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.recv(_LINGER_BYTES)  # unread bytes would make the kernel reset instead
        self.close()
        with contextlib.suppress(OSError):
            self._socket.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self, length: int, deadline: float) -> bytes:
        pieces = bytearray()
        while len(pieces) < length:
            if self._seconds and time.monotonic() > deadline:
                raise LinkClosed("the peer took too long")
            try:
                pieces += self._connection.recv(min(length - len(pieces), _RECORD_BYTES))
            except SSL.WantReadError:
                # The time-out; or the process was stopped and goes on, which interrupts the wait.
                continue
            except (SSL.Error, OSError) as error:
                raise LinkClosed(describe(error)) from None
        return bytes(pieces)


class FrameWriter:
    """Sends bodies over a socket that it makes non-blocking. For one thread at a time."""

    def __init__(self, connection: SSL.Connection, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._connection = connection
        self._rest = memoryview(b"")
        """Of the last message: what the kernel has not taken yet."""
        self._writable = select.poll()
        self._writable.register(connected, select.POLLOUT)

    def write(self, body: bytes) -> bool:
        """Send one body, as far as the kernel takes it at once. Whether that was all; if not,
        `flush` must come before the next. Raises `LinkClosed`.
        """
        assert not self._rest
        self._rest = memoryview(_framed(body))
        return self._push()

    def flush(self, stall_seconds: float) -> None:
        """Wait until all has gone. Raises `LinkClosed`, also when the peer takes nothing for so
        long.
        """
        while not self._push():
            if not self._writable.poll(stall_seconds * 1000):
                raise LinkClosed("the peer took too long")

    def _push(self) -> bool:
        try:
            while self._rest:
                self._rest = self._rest[self._connection.send(self._rest) :]
        except SSL.WantWriteError:
            return False
        except (SSL.Error, OSError) as error:
            raise LinkClosed(describe(error)) from None
        return True


def _framed(body: bytes) -> bytes:
    """The message that carries it."""
    return len(body).to_bytes(_LENGTH_BYTES) + body


def describe(error: Exception) -> str:
    """A short reason, without what OpenSSL or the peer may have put into the message."""
    if isinstance(error, SSL.WantReadError | SSL.WantWriteError):
        return "the peer took too long"
    if isinstance(error, SSL.ZeroReturnError | SSL.SysCallError):
        return "the peer closed it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "TLS failed"


def set_kernel_timeouts(connected: socket.socket, seconds: float) -> None:
    """Time-outs of a blocking socket, which Python's own `settimeout` would make non-blocking."""
    whole = int(seconds)
    packed = struct.pack("@ll", whole, int((seconds - whole) * 1_000_000))
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)
