# SPDX-License-Identifier: Apache-2.0
"""A fault that strikes many requests together, each at its own position."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from shard_runtime.links.frames import Hidden, Open, RunId, Segment, decode, encode
from teetee.protocol.identifiers import RequestId, ShardId
from tests.shard_runtime.failing import network
from tests.shard_runtime.rings import Ring


class Gathering:
    """Strikes once, when every request has its given position on its way to the victim. Frames that
    get there earlier wait on the wire, and are sent after the strike.

    Prompts delay each other, because only so many of their positions may be in flight: with `room`,
    it also strikes when all requests have begun and more rows than that wait.
    """

    def __init__(
        self,
        victim: int,
        positions: Mapping[RequestId, int],
        strike: Callable[[Ring, int], None],
        room: int | None = None,
    ) -> None:
        self.victim = ShardId(victim)
        self.ring: Ring | None = None
        self.struck = threading.Event()
        self.reopened: dict[RequestId, float] = {}
        """Seconds from the strike until a request was opened on a path without the victim."""
        self._positions = positions
        self._strike = strike
        self._room = room
        self._requests: dict[RunId, RequestId] = {}
        self._there: set[RequestId] = set()
        self._rows = 0
        self._held_frames: list[bytes] = []
        self._struck_at = 0.0

    def __call__(self, receiver: ShardId, body: bytes) -> bytes | None:
        frame = decode(body)
        if self.struck.is_set():
            if isinstance(frame, Open) and self.victim not in frame.path:
                passed = time.monotonic() - self._struck_at
                self.reopened.setdefault(frame.request_id, passed)
            return body
        if receiver != self.victim:
            return body
        # From here on one thread: the previous stage's.
        if isinstance(frame, Open):
            self._requests[frame.place.run] = frame.request_id
        onward = self._let_through(frame) if isinstance(frame, Hidden) else body
        if self._is_time():
            self._let_go()
        return onward

    def _let_through(self, frame: Hidden) -> bytes | None:
        """The rows before their request's position; the others are kept."""
        pieces = [(segment, data) for segment, _, data in frame.pieces()]
        stopped = [piece for piece in pieces if self._stays(piece[0])]
        if stopped:
            self._held_frames.append(_hidden(frame.width, stopped))
        passing = [piece for piece in pieces if piece not in stopped]
        return _hidden(frame.width, passing) if passing else None

    def _stays(self, segment: Segment) -> bool:
        request = self._requests[segment.place.run]
        position = self._positions.get(request)
        if position is None or segment.place.first_position + segment.rows <= position:
            return False
        self._there.add(request)
        self._rows += segment.rows
        return True

    def _is_time(self) -> bool:
        if not self._positions.keys() <= set(self._requests.values()):
            return False
        is_full = self._room is not None and self._rows > self._room
        return is_full or len(self._there) == len(self._positions)

    def _let_go(self) -> None:
        assert self.ring is not None
        self._struck_at = time.monotonic()
        self.struck.set()
        self._strike(self.ring, self.victim)
        before = self.ring.path[self.ring.path.index(self.victim) - 1]
        sender = network(self.ring).started_links(self.ring.tls(before))
        assert sender is not None
        for body in self._held_frames:
            sender.send_frame(self.victim, body)


def _hidden(width: int, pieces: Iterable[tuple[Segment, bytes]]) -> bytes:
    segments, rows = zip(*pieces, strict=True)
    return encode(Hidden(tuple(segments), width, memoryview(b"".join(rows))))
