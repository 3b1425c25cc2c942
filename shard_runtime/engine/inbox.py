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


class Inbox:
    """For many threads that put and one that reads. Aborts overtake everything else.

    With `max_bytes`, `put_frame` blocks its (reading) thread while more bytes wait, which slows the
    sender down. An entry must have no limit: it would stop reading the frames that it needs in
    order to send.
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[object] = deque()
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        """One item per event and one for `close`: the cheapest way to wake the reader."""
        self._event_put = SpinEvent()
        self._bytes = 0
        self._closed = False
        self._has_room = threading.Condition()
        """Guards `_bytes`."""

    def put_frame(self, sender: bytes, body: bytes) -> None:
        """Queue a received frame: the `Receive` of `Links`."""
        event = FrameReceived(sender, body)
        if kind_of(body) == Kind.ABORT:
            self.put(event, urgent=True)
            return
        if self._max_bytes is not None:
            with self._has_room:
                self._has_room.wait_for(self._may_put)
                self._bytes += len(body)
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
        if self._max_bytes is None or not isinstance(event, FrameReceived):
            return event
        if kind_of(event.body) != Kind.ABORT:
            with self._has_room:
                self._bytes -= len(event.body)
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

    def _may_put(self) -> bool:
        return self._closed or self._max_bytes is None or self._bytes < self._max_bytes
