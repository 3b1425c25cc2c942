# SPDX-License-Identifier: Apache-2.0
"""A connection after its handshake: whole messages of `u32 length ‖ body`, each with a deadline."""

import contextlib
import math
import select
import socket
import struct
import time
from typing import Protocol

from OpenSSL import SSL

from shard_runtime.errors import FrameInvalid, LinkClosed

_LENGTH_BYTES = 4
_RECORD_BYTES = 1 << 14
"""TLS returns at most one record at a time, so a larger buffer has no use."""
_LINGER_SECONDS = 1
_LINGER_BYTES = 1 << 16


class Stream(Protocol):
    """What a handler of `Listener` gets. For one thread, except for `close`."""

    @property
    def peer_tls(self) -> bytes | None:
        """The peer's pinned key; None for purposes without a client certificate."""
        ...

    def receive(self, limit: int) -> bytes:
        """The next body. Raises `LinkClosed` (also on timeout), `FrameInvalid` beyond `limit`
        bytes.
        """
        ...

    def send(self, body: bytes) -> None:
        """Send one body. Raises `LinkClosed`."""
        ...

    def set_timeout(self, seconds: float) -> None:
        """Limit each whole `receive`, and each stall of a `send`, from now on."""
        ...

    def close(self) -> None:
        """From any thread, any number of times. Waiting calls of `receive` and `send` raise
        `LinkClosed`.
        """
        ...


class TlsStream:
    """A `Stream` over TLS on a blocking socket. The kernel keeps the timeouts, so no thread wakes
    for them; the listener's watch ends a message that comes byte by byte.
    """

    def __init__(
        self, connection: SSL.Connection, connected: socket.socket, peer_tls: bytes | None
    ) -> None:
        self._connection = connection
        self._socket = connected
        self._peer_tls = peer_tls
        self._seconds = 0.0
        self._is_fresh = True
        """Nothing was sent or received yet."""
        self.receives_until = math.inf
        """When the present `receive` must end, on the monotonic clock; infinite outside of it."""

    @property
    def peer_tls(self) -> bytes | None:
        return self._peer_tls

    @property
    def awaits_first_message(self) -> bool:
        """Whether a thread is in `receive`, and nothing was sent or received before."""
        return self._is_fresh and self.receives_until < math.inf

    def receive(self, limit: int) -> bytes:
        deadline = time.monotonic() + self._seconds if self._seconds else math.inf
        self.receives_until = deadline
        try:
            length = int.from_bytes(self._read(_LENGTH_BYTES, deadline))
            if length > limit:
                raise FrameInvalid(f"announces {length} bytes, and the limit is {limit}")
            return self._read(length, deadline)
        finally:
            self._is_fresh, self.receives_until = False, math.inf

    def send(self, body: bytes) -> None:
        self._is_fresh = False
        try:
            self._connection.sendall(_framed(body))
        except (SSL.Error, OSError) as error:
            raise LinkClosed(describe(error)) from None

    def set_timeout(self, seconds: float) -> None:
        self._seconds = seconds
        set_kernel_timeouts(self._socket, seconds)

    def writer(self) -> "FrameWriter":
        """For a thread that must not wait; replaces `send` and `receive` from now on."""
        return FrameWriter(self._connection, self._socket)

    def finish(self) -> None:
        """Shut TLS down and close, so that what was sent arrives. Called by the sending thread."""
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
            if time.monotonic() > deadline:
                raise LinkClosed("the peer took too long")
            try:
                pieces += self._connection.recv(min(length - len(pieces), _RECORD_BYTES))
            except SSL.WantReadError:
                # The timeout; or the process was stopped and continued, which interrupts the wait.
                continue
            except (SSL.Error, OSError) as error:
                raise LinkClosed(describe(error)) from None
        return bytes(pieces)


class FrameWriter:
    """Sends bodies over a socket, which it makes non-blocking. For one thread at a time."""

    def __init__(self, connection: SSL.Connection, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._connection = connection
        self._unsent = memoryview(b"")
        """The part of the last message that the kernel has not accepted yet."""
        self._writable = select.poll()
        self._writable.register(connected, select.POLLOUT)

    def write(self, body: bytes) -> bool:
        """Send as much of a body as the kernel accepts at once. Returns whether that was all; if
        not, call `flush` before the next. Raises `LinkClosed`.
        """
        assert not self._unsent
        self._unsent = memoryview(_framed(body))
        return self._push()

    def flush(self, stall_seconds: float) -> None:
        """Wait until all is sent. Raises `LinkClosed`, also if the peer reads nothing for
        `stall_seconds`.
        """
        while not self._push():
            if not self._writable.poll(stall_seconds * 1000):
                raise LinkClosed("the peer took too long")

    def _push(self) -> bool:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._connection.send(self._unsent) :]
        except SSL.WantWriteError:
            return False
        except (SSL.Error, OSError) as error:
            raise LinkClosed(describe(error)) from None
        return True


def _framed(body: bytes) -> bytes:
    """The message that carries a body."""
    return len(body).to_bytes(_LENGTH_BYTES) + body


def describe(error: Exception) -> str:
    """A short reason, without text of OpenSSL or of the peer."""
    if isinstance(error, SSL.WantReadError | SSL.WantWriteError):
        return "the peer took too long"
    if isinstance(error, SSL.ZeroReturnError | SSL.SysCallError):
        return "the peer closed it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "TLS failed"


def set_kernel_timeouts(connected: socket.socket, seconds: float) -> None:
    """Set a blocking socket's timeouts; Python's `settimeout` would make it non-blocking."""
    whole = int(seconds)
    packed = struct.pack("@ll", whole, int((seconds - whole) * 1_000_000))
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)
