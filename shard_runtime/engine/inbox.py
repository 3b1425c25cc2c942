# SPDX-License-Identifier: Apache-2.0
"""What waits for the thread that computes: frames as they arrived, lost peers, calls."""

import queue
import threading
from collections import deque
from dataclasses import dataclass, field

from shard_runtime.backends.native.spin_event import SpinEvent
from shard_runtime.links.frames import Kind, kind_of
from teetee.protocol.identifiers import ShardId


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame."""

    sender: bytes
    """`tls` of the peer it came from."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeerLost:
    """Frames to that shard did not arrive."""

    shard_id: ShardId


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """That shard does not answer heartbeats."""

    shard_id: ShardId


class Inbox:
    """For many threads that put and one that takes. Aborts overtake everything else.

    With a limit, `arrive` blocks its (reading) thread while more bytes wait, so that the sender
    feels it. An entry must have none: it would stop reading what it must read to send on.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._waiting: deque[object] = deque()
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        """One for each event and one for the end: the cheapest way to wake the thread that takes.
        """
        self._event = SpinEvent()
        self._bytes = 0
        self._closed = False
        self._room = threading.Condition()
        """For `_bytes`."""

    def arrive(self, sender: bytes, body: bytes) -> None:
        """A frame came: the `Receive` of `Links`."""
        event = Arrived(sender, body)
        if kind_of(body) == Kind.ABORT:
            self.put(event, urgent=True)
            return
        if self._limit is not None:
            with self._room:
                self._room.wait_for(self._has_room)
                self._bytes += len(body)
        self.put(event)

    def lose(self, shard_id: ShardId) -> None:
        """A peer is gone: the `Lost` of `Links`."""
        self.put(PeerLost(shard_id), urgent=True)

    def put(self, event: object, *, urgent: bool = False) -> None:
        """Any other event; never blocks."""
        if urgent:
            self._waiting.appendleft(event)
        else:
            self._waiting.append(event)
        self._event.set()
        self._signals.put(None)

    def take(self, timeout: float, awake: float = 0) -> object | None:
        """The next event; None when there is none for so many seconds, or after `close`.

        awake: for so many seconds more wait without going to sleep first, as `Bell` does.
        """
        if awake and not self._closed:
            rung = self._event.generation
            if not self._waiting:
                self._event.wait(rung, awake)
        try:
            self._signals.get(block=timeout > 0 and not self._closed, timeout=timeout)
        except queue.Empty:
            return None
        if not self._waiting:
            return None
        event = self._waiting.popleft()
        if self._limit is None or not isinstance(event, Arrived):
            return event
        if kind_of(event.body) != Kind.ABORT:
            with self._room:
                self._bytes -= len(event.body)
                self._room.notify_all()
        return event

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """Let go of everybody who waits."""
        self._closed = True
        self._event.set()
        self._signals.put(None)
        with self._room:
            self._room.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def _has_room(self) -> bool:
        return self._closed or self._limit is None or self._bytes < self._limit
