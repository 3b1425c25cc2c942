# SPDX-License-Identifier: Apache-2.0
"""The queue of the computing thread.

given frames and other events
    they should be read in order, aborts and lost peers first
given a waiting thread, sleeping or busy-waiting
    it should get the next event, and nothing when the inbox closes
given a limit
    a thread that puts more should wait until there is room, or until the inbox closes
"""

import threading
from collections.abc import Callable

import pytest

from shard_runtime.abort_reason import AbortReason
from shard_runtime.engine.inbox import FrameReceived, Inbox, PeerLost
from shard_runtime.links.frames import Abort, Hidden, Place, RunId, Segment, encode
from teetee.protocol.identifiers import ShardId

PATIENCE = 10.0
PLACE = Place(RunId(bytes(16)), 0, 0, 0)
FRAME = encode(Hidden((Segment(PLACE, 1),), 8, memoryview(bytes(32))))
ABORT = encode(Abort(PLACE, AbortReason.CANCELLED, 0))


def test_next_event__frames_aborts_and_losses__returns_the_urgent_first() -> None:
    inbox = Inbox(max_peer_bytes=4096, max_bytes=8192)
    inbox.put_frame(b"one", FRAME)
    inbox.put("call")
    inbox.put_frame(b"two", ABORT)
    inbox.put_peer_lost(ShardId(3))
    events = [inbox.next_event(0) for _ in range(5)]
    assert events == [
        PeerLost(ShardId(3)),
        FrameReceived(b"two", ABORT),
        FrameReceived(b"one", FRAME),
        "call",
        None,
    ]


@pytest.mark.parametrize(
    "make_room",
    [lambda inbox: inbox.next_event(0), lambda inbox: inbox.close()],
    ids=["read", "close"],
)
def test_put_frame__beyond_the_limit__waits_for_room(make_room: Callable[[Inbox], object]) -> None:
    inbox = Inbox(max_peer_bytes=1, max_bytes=8192)
    inbox.put_frame(b"peer", FRAME)
    arrived = threading.Event()

    def bring() -> None:
        inbox.put_frame(b"peer", FRAME)
        arrived.set()

    thread = threading.Thread(target=bring)
    thread.start()
    inbox.put_frame(b"peer", ABORT)  # never waits
    assert isinstance(inbox.next_event(0), FrameReceived)
    assert not arrived.is_set()
    make_room(inbox)
    assert arrived.wait(PATIENCE)
    thread.join()


@pytest.mark.parametrize("busy_wait", [0, PATIENCE], ids=["sleeping", "busy-waiting"])
def test_next_event__one_is_put__returns_it(busy_wait: float) -> None:
    inbox = Inbox(max_peer_bytes=4096, max_bytes=8192)
    threading.Timer(0.02, inbox.put, ["call"]).start()
    assert inbox.next_event(PATIENCE, busy_wait) == "call"
    assert inbox.next_event(0) is None


@pytest.mark.parametrize("busy_wait", [0, PATIENCE], ids=["sleeping", "busy-waiting"])
def test_next_event__none_is_put__returns_when_closed(busy_wait: float) -> None:
    inbox = Inbox(max_peer_bytes=4096, max_bytes=8192)
    events: list[object] = []
    thread = threading.Thread(target=lambda: events.append(inbox.next_event(PATIENCE, busy_wait)))
    thread.start()
    inbox.close()
    thread.join(PATIENCE)
    assert events == [None]
    assert inbox.is_closed


def test_repr__frame__shows_no_body() -> None:
    assert "body" not in repr(FrameReceived(b"peer", FRAME))
