# SPDX-License-Identifier: Apache-2.0
"""The queue of the computing thread: received frames, lost peers, calls of other threads."""

import queue
import threading
from collections import deque
from dataclasses import dataclass, field

from shard_runtime.backends.native.spin_event import SpinEvent
from shard_runtime.links.frames import Kind, kind_of
from teetee.protocol.identifiers import ShardId


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """A frame arrived."""

    sender: bytes
    """`tls` of the peer that sent it."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeerLost:
    """Frames to that shard were lost."""

    shard_id: ShardId


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """That shard does not answer heartbeats."""

    shard_id: ShardId


@dataclass(frozen=True, slots=True)
class PeerOffended:
    """The peer with that key broke the rules of a link and was refused."""

    tls: bytes


_EVENT_BYTES = 256
"""What a queued frame costs beside its body, so that tiny ones count too."""


class Inbox:
    """For many threads that put and one that reads. Aborts overtake everything else.

    While more bytes of one peer wait than `max_peer_bytes`, or of all peers than `max_bytes`,
    `put_frame` blocks its (reading) thread, which slows that sender down. The reader must never
    wait for a thread that may be blocked here.
    """

    def __init__(self, *, max_peer_bytes: int, max_bytes: int) -> None:
        self._max_peer_bytes = max_peer_bytes
        self._max_bytes = max_bytes
        self._waiting: deque[object] = deque()
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        """One item per event and one for `close`: the cheapest way to wake the reader."""
        self._event_put = SpinEvent()
        self._bytes = 0
        self._peer_bytes: dict[bytes, int] = {}
        """Of the peers whose frames wait."""
        self._blocked = 0
        """Threads that wait for room."""
        self._closed = False
        self._has_room = threading.Condition()
        """Guards these four."""

    def put_frame(self, sender: bytes, body: bytes) -> None:
        """Queue a received frame: the `Receive` of `Links`."""
        event = FrameReceived(sender, body)
        if kind_of(body) == Kind.ABORT:  # few and tiny: `FrameGate`
            self.put(event, urgent=True)
            return
        with self._has_room:
            if not self._may_put(sender):
                self._blocked += 1
                self._has_room.wait_for(lambda: self._may_put(sender))
                self._blocked -= 1
            self._count(event, 1)
        self.put(event)

    def put_peer_lost(self, shard_id: ShardId) -> None:
        """Queue the loss of a peer: the `Lost` of `Links`."""
        self.put(PeerLost(shard_id), urgent=True)

    def put(self, event: object, *, urgent: bool = False) -> None:
        """Queue any other event. Never blocks."""
        if urgent:
            self._waiting.appendleft(event)
        else:
            self._waiting.append(event)
        self._event_put.set()
        self._signals.put(None)

    def next_event(self, timeout_seconds: float, busy_wait_seconds: float = 0) -> object | None:
        """The next event; None after the timeout, or after `close`.

        busy_wait_seconds: how long to busy-wait before the timeout begins, as `SpinEvent` does.
        """
        if busy_wait_seconds and not self._closed:
            generation = self._event_put.generation
            if not self._waiting:
                self._event_put.wait(generation, busy_wait_seconds)
        blocks = timeout_seconds > 0 and not self._closed
        try:
            self._signals.get(block=blocks, timeout=timeout_seconds)
        except queue.Empty:
            return None
        if not self._waiting:
            return None
        event = self._waiting.popleft()
        if isinstance(event, FrameReceived) and kind_of(event.body) != Kind.ABORT:
            with self._has_room:
                self._count(event, -1)
                if self._blocked:
                    self._has_room.notify_all()
        return event

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """Release all blocked threads."""
        self._closed = True
        self._event_put.set()
        self._signals.put(None)
        with self._has_room:
            self._has_room.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _may_put(self, sender: bytes) -> bool:
        peer_bytes = self._peer_bytes.get(sender, 0)
        has_room = self._bytes < self._max_bytes and peer_bytes < self._max_peer_bytes
        return self._closed or has_room

    def _count(self, event: FrameReceived, sign: int) -> None:
        size = sign * (len(event.body) + _EVENT_BYTES)
        self._bytes += size
        peer_bytes = self._peer_bytes.get(event.sender, 0) + size
        if peer_bytes:
            self._peer_bytes[event.sender] = peer_bytes
        else:
            self._peer_bytes.pop(event.sender, None)
