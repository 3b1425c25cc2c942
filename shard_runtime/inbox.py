"""What waits for the thread that computes: frames as they arrived, lost peers, calls."""

import threading
from collections import deque
from dataclasses import dataclass, field

from shard_runtime.frames import Kind, kind_of
from teetee.identifiers import ShardId


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
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def arrive(self, sender: bytes, body: bytes) -> None:
        """A frame came: the `Receive` of `Links`."""
        event = Arrived(sender, body)
        if kind_of(body) == Kind.ABORT:
            self.put(event, urgent=True)
            return
        with self._changed:
            self._changed.wait_for(self._has_room)
            self._bytes += len(body)
            self._waiting.append(event)
            self._changed.notify_all()

    def lose(self, shard_id: ShardId) -> None:
        """A peer is gone: the `Lost` of `Links`."""
        self.put(PeerLost(shard_id), urgent=True)

    def put(self, event: object, *, urgent: bool = False) -> None:
        """Any other event; never blocks."""
        with self._changed:
            if urgent:
                self._waiting.appendleft(event)
            else:
                self._waiting.append(event)
            self._changed.notify_all()

    def take(self, timeout: float) -> object | None:
        """The next event; None when there is none for so many seconds, or after `close`."""
        with self._changed:
            if timeout:
                self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            if not self._waiting:
                return None
            event = self._waiting.popleft()
            if isinstance(event, Arrived) and kind_of(event.body) != Kind.ABORT:
                self._bytes -= len(event.body)
                self._changed.notify_all()
            return event

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """Let go of everybody who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def _has_room(self) -> bool:
        return self._closed or self._limit is None or self._bytes < self._limit
