# SPDX-License-Identifier: Apache-2.0
"""What waits for the computing thread.

given frames and other events
    they should come out in order, aborts and lost peers first
given somebody who waits, asleep or awake
    they should get what comes, and nothing when the inbox closes
given a limit
    whoever brings more should wait until there is room, or until the inbox closes
"""

import threading
from collections.abc import Callable

import pytest

from shard_runtime.abort_reason import AbortReason
from shard_runtime.engine.inbox import Arrived, Inbox, PeerLost
from shard_runtime.links.frames import Abort, Hidden, Place, RunId, Segment, encode
from teetee.protocol.identifiers import ShardId

PATIENCE = 10.0
PLACE = Place(RunId(bytes(16)), 0, 0, 0)
FRAME = encode(Hidden((Segment(PLACE, 1),), 8, memoryview(bytes(32))))
ABORT = encode(Abort(PLACE, AbortReason.CANCELLED, 0))


def test_take__frames_aborts_and_losses__gives_the_urgent_first() -> None:
    inbox = Inbox()
    inbox.arrive(b"one", FRAME)
    inbox.put("call")
    inbox.arrive(b"two", ABORT)
    inbox.lose(ShardId(3))
    taken = [inbox.take(0) for _ in range(5)]
    assert taken == [
        PeerLost(ShardId(3)),
        Arrived(b"two", ABORT),
        Arrived(b"one", FRAME),
        "call",
        None,
    ]


@pytest.mark.parametrize(
    "make_room", [lambda inbox: inbox.take(0), lambda inbox: inbox.close()], ids=["take", "close"]
)
def test_arrive__beyond_the_limit__waits_for_room(make_room: Callable[[Inbox], object]) -> None:
    inbox = Inbox(limit=len(FRAME))
    inbox.arrive(b"peer", FRAME)
    arrived = threading.Event()

    def bring() -> None:
        inbox.arrive(b"peer", FRAME)
        arrived.set()

    thread = threading.Thread(target=bring)
    thread.start()
    inbox.arrive(b"peer", ABORT)  # never waits
    assert isinstance(inbox.take(0), Arrived)
    assert not arrived.is_set()
    make_room(inbox)
    assert arrived.wait(PATIENCE)
    thread.join()


@pytest.mark.parametrize("awake", [0, PATIENCE], ids=["asleep", "awake"])
def test_take__something_comes__gives_it(awake: float) -> None:
    inbox = Inbox()
    threading.Timer(0.02, inbox.put, ["call"]).start()
    assert inbox.take(PATIENCE, awake) == "call"
    assert inbox.take(0) is None


@pytest.mark.parametrize("awake", [0, PATIENCE], ids=["asleep", "awake"])
def test_take__nothing_there__returns_when_closed(awake: float) -> None:
    inbox = Inbox()
    taken: list[object] = []
    thread = threading.Thread(target=lambda: taken.append(inbox.take(PATIENCE, awake)))
    thread.start()
    inbox.close()
    thread.join(PATIENCE)
    assert taken == [None]
    assert inbox.closed


def test_repr__arrived__shows_no_body() -> None:
    assert "body" not in repr(Arrived(b"peer", FRAME))
