# SPDX-License-Identifier: Apache-2.0
"""Measures a stage from inside its process, and disables encryption or commitments for comparison.

All of it is patched in from outside, only in processes of the benchmark: `shard_runtime` itself has
no such switches.
"""

import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

from OpenSSL import SSL

from shard_runtime.backends.shard import Shard
from shard_runtime.links.port import Links, OnFrame, OnPeerLost
from shard_runtime.links.stream import TlsStream
from teetee.protocol.commitments import RunningCommitment
from teetee.protocol.identifiers import ShardId
from teetee.protocol.receipts import SignedReceipt, StageReceipt

COMPUTING_METHODS = ("forward", "logits")


class StageMeter:
    """The measurements of one stage."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self.bytes: Counter[int] = Counter()
        self.frames: Counter[int] = Counter()

    def observe_shard(self, shard: Shard) -> None:
        """Records when the shard computes."""
        for name in COMPUTING_METHODS:
            setattr(shard, name, self._recorded(getattr(shard, name)))
        if type(shard).forward_in_place is not Shard.forward_in_place:  # which calls `forward`
            shard.forward_in_place = self._recorded(shard.forward_in_place)  # type: ignore[method-assign]

    def observe_receipts(self) -> None:
        """Records how long this process hashes, signs and checks."""
        self._record_time(RunningCommitment, "catch_up", "commitment")
        # Rows that a digest still has to hash count twice: usually one row or none.
        self._record_time(RunningCommitment, "digest", "commitment")
        self._record_time(StageReceipt, "sign", "signature")
        self._record_time(SignedReceipt, "recover", "signature")

    def collect(self) -> dict[str, Any]:
        """The measurements since the last call, as JSON."""
        measured = {
            "spans": self._spans[:],
            "commitmentSeconds": self._seconds["commitment"],
            "signatureSeconds": self._seconds["signature"],
            "bytes": sum(self.bytes.values()),
            "frames": sum(self.frames.values()),
        }
        self._spans.clear()
        self._seconds.clear()
        self.bytes.clear()
        self.frames.clear()
        return measured

    def _recorded(self, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            try:
                return work(*arguments, **options)
            finally:
                self._spans.append((began, time.monotonic()))

        return timed

    def _record_time(self, owner: type, name: str, what: str) -> None:
        work = getattr(owner, name)

        @wraps(work)
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return work(*arguments, **options)
            finally:
                self._seconds[what] += time.perf_counter() - began

        setattr(owner, name, timed)


class CountedLinks:
    """Links that count the bytes and frames they send."""

    def __init__(self, links: Links, meter: StageMeter) -> None:
        self._links = links
        self._meter = meter

    def start(self, on_frame: OnFrame, on_peer_lost: OnPeerLost) -> None:
        self._links.start(on_frame, on_peer_lost)

    def send_frame(self, shard_id: ShardId, body: bytes, tls: bytes | None = None) -> None:
        self._meter.bytes[shard_id] += len(body)
        self._meter.frames[shard_id] += 1
        self._links.send_frame(shard_id, body, tls)

    def close(self) -> None:
        self._links.close()


def disable_commitments() -> None:
    """Stops hashing in this process. All stages must do so. Receipts are still signed."""
    RunningCommitment.update = lambda self, data: None  # type: ignore[method-assign]


def disable_encryption() -> None:
    """Makes links send plaintext after the handshake. Both ends must do so."""
    encrypted = TlsStream.__init__

    def plain(
        self: TlsStream,
        connection: SSL.Connection,
        connected: socket.socket,
        peer_tls: bytes | None,
    ) -> None:
        encrypted(self, connection, connected, peer_tls)
        self._connection = _Unencrypted(connection, connected)  # type: ignore[assignment]

    TlsStream.__init__ = plain  # type: ignore[method-assign]


class _Unencrypted:
    """The methods of `SSL.Connection` that `TlsStream` uses.

    The first message is still TLS, because OpenSSL reads the rest of the handshake before it.
    """

    def __init__(self, connection: SSL.Connection, connected: socket.socket) -> None:
        self._first: SSL.Connection | None = connection
        self._connected = connected

    def sendall(self, data: bytes) -> None:
        first, self._first = self._first, None
        (first or self._connected).sendall(data)

    def send(self, data: bytes) -> int:
        try:
            return self._connected.send(data)
        except BlockingIOError:
            raise SSL.WantWriteError from None

    def recv(self, size: int) -> bytes:
        first, self._first = self._first, None
        received = bytes((first or self._connected).recv(size))
        if not received:
            raise SSL.ZeroReturnError
        return received

    def shutdown(self) -> None:
        """Closing the socket is enough."""
