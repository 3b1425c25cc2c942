# SPDX-License-Identifier: Apache-2.0
"""What a stage process measures of itself, and the two things it can leave out for comparison.

All of it is put on from outside, in processes of the benchmark alone: nothing in `shard_runtime`
can be switched like this.
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

COMPUTING = ("forward", "logits")


class StageMeter:
    """Of one stage."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self.bytes: Counter[int] = Counter()
        self.frames: Counter[int] = Counter()

    def watch(self, shard: Shard) -> None:
        """When it computes."""
        for name in COMPUTING:
            setattr(shard, name, self._noting(getattr(shard, name)))
        if type(shard).forward_in_place is not Shard.forward_in_place:  # which calls `forward`
            shard.forward_in_place = self._noting(shard.forward_in_place)  # type: ignore[method-assign]

    def watch_receipts(self) -> None:
        """How long this process hashes, signs and checks."""
        self._time(RunningCommitment, "catch_up", "commitment")
        # What a digest still has to catch up on counts twice: a row or none, as a rule.
        self._time(RunningCommitment, "digest", "commitment")
        self._time(StageReceipt, "sign", "signature")
        self._time(SignedReceipt, "recover", "signature")

    def take(self) -> dict[str, Any]:
        """All since the last time, as JSON."""
        taken = {
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
        return taken

    def _noting(self, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            try:
                return work(*arguments, **options)
            finally:
                self._spans.append((began, time.monotonic()))

        return timed

    def _time(self, owner: type, name: str, what: str) -> None:
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
    """Links that count what they send."""

    def __init__(self, links: Links, meter: StageMeter) -> None:
        self._links = links
        self._meter = meter

    def start(self, on_frame: OnFrame, on_peer_lost: OnPeerLost) -> None:
        self._links.start(on_frame, on_peer_lost)

    def send_frame(self, shard_id: ShardId, body: bytes) -> None:
        self._meter.bytes[shard_id] += len(body)
        self._meter.frames[shard_id] += 1
        self._links.send_frame(shard_id, body)

    def close(self) -> None:
        self._links.close()


def leave_out_commitments() -> None:
    """Nothing is hashed any more in this process; all stages must agree on that. Receipts are still
    signed and checked.
    """
    RunningCommitment.update = lambda self, data: None  # type: ignore[method-assign]


def leave_out_encryption() -> None:
    """After handshake and acceptance, links carry bytes as they are; both ends must agree on
    that.
    """
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
    """As much of an `SSL.Connection` as a `TlsStream` uses.

    The first message is still TLS, for in front of it OpenSSL reads what belongs to the handshake.
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
        """The socket's own is enough."""
