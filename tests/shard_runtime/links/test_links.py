# SPDX-License-Identifier: Apache-2.0
"""Frames between shards over TLS 1.3 with pinned keys, and how links break.

given two shards that know each other
    when frames are sent
        they should arrive in order, from the peer whose key was pinned, unreadable on the wire
given a peer that does not read for a while
    the sender should not wait for it, and all should arrive in order once it reads
given a peer with another key, on either side
    it should be refused, and none of our frames be sent
given a peer that the directory no longer accepts
    its links should close by themselves
given a peer that ends and returns
    frames should arrive again, and the loss in between be reported
given in-memory links
    they should behave like those over TLS
"""

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from shard_runtime import FixedDirectory, Stream
from shard_runtime.errors import LinkCongested
from shard_runtime.links.memory_links import MemoryNetwork
from teetee.protocol.endpoint import LINK_ALPN
from teetee.protocol.identifiers import ShardId
from tests.shard_runtime.links.pairs import FIRST, PATIENCE, SECOND, Pair
from tests.shard_runtime.rings import QUICK_LIMITS, link_identity
from tests.teetee.client_hello import server_name_sent
from tests.teetee.enclave_keys import keys_of


def test_send__accepted_peer__arrives_in_order_from_the_pinned_key(pair: Pair) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    bodies = [bytes([number]) * (1 + 70_000 * number) for number in range(8)]
    for body in bodies:
        sender.links.send_frame(SECOND, body)
    for body in bodies:
        assert receiver.arrived.get(timeout=PATIENCE) == (sender.keys.keyset.tls, body)


def test_send__both_ways__uses_one_connection_each(pair: Pair) -> None:
    one, other = pair.end(1), pair.end(2)
    one.links.send_frame(SECOND, b"there")
    other.links.send_frame(FIRST, b"back")
    assert other.arrived.get(timeout=PATIENCE)[1] == b"there"
    assert one.arrived.get(timeout=PATIENCE)[1] == b"back"


def test_send__on_the_wire__shows_nothing_of_the_frame(pair: Pair) -> None:
    canary = b"canary-activation-" * 100
    with tapped(pair.listeners[1].port) as (port, seen):
        directory = FixedDirectory([pair.peers()[0], replace(pair.peers()[1], port=port)])
        sender, receiver = pair.end(1, directory), pair.end(2)
        sender.links.send_frame(SECOND, canary)
        assert receiver.arrived.get(timeout=PATIENCE)[1] == canary
    assert len(seen) > len(canary)
    assert b"canary" not in seen


@pytest.mark.parametrize("who", ["receiver", "sender"])
def test_send__pin_of_one_side_differs__is_refused_and_reported(pair: Pair, who: str) -> None:
    stranger = keys_of("a stranger").keyset.tls
    sender_knows, receiver_knows = pair.peers(), pair.peers()
    if who == "receiver":
        sender_knows[1] = replace(sender_knows[1], tls=stranger)
    else:
        receiver_knows[0] = replace(receiver_knows[0], tls=stranger)
    sender = pair.end(1, FixedDirectory(sender_knows))
    receiver = pair.end(2, FixedDirectory(receiver_knows))
    sender.links.send_frame(SECOND, b"canary")
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    assert receiver.arrived.empty()


def test_send__shard_not_in_the_directory__is_reported_lost(pair: Pair) -> None:
    sender = pair.end(1)
    sender.links.send_frame(ShardId(9), b"canary")
    assert sender.lost.get(timeout=PATIENCE) == 9


def test_watch__directory_drops_the_sender__closes_the_link_by_itself(pair: Pair) -> None:
    sender = pair.end(1)
    receiver_knows = FixedDirectory(pair.peers())
    receiver = pair.end(2, receiver_knows)
    sender.links.send_frame(SECOND, b"before")
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"before"
    receiver_knows.remove(FIRST)
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    sender.links.send_frame(SECOND, b"after")
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    assert receiver.arrived.empty()


def test_watch__directory_drops_the_receiver__closes_the_link_by_itself(pair: Pair) -> None:
    sender_knows = FixedDirectory(pair.peers())
    sender, receiver = pair.end(1, sender_knows), pair.end(2)
    sender.links.send_frame(SECOND, b"before")
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"before"
    sender_knows.remove(SECOND)
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    sender.links.send_frame(SECOND, b"after")
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    assert receiver.arrived.empty()


def test_send__peer_ended_and_returned__reports_the_loss_and_reconnects(pair: Pair) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    sender.links.send_frame(SECOND, b"before")
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"before"
    port = receiver.listener.port
    receiver.listener.close()
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    pair.listeners[1] = pair.listen(pair.keys[1], port)
    restarted = pair.end(2)
    sender.links.send_frame(SECOND, b"after")
    assert restarted.arrived.get(timeout=PATIENCE)[1] == b"after"


def test_send__peer_not_started_yet__retries_until_it_is(pair: Pair) -> None:
    port = pair.listeners[1].port
    pair.listeners[1].close()
    pair.limits = replace(QUICK_LIMITS, connect_attempts=9, first_delay_seconds=0.02)
    sender = pair.end(1)
    sender.links.send_frame(SECOND, b"early")
    pair.listeners[1] = pair.listen(pair.keys[1], port, start=False)
    receiver = pair.end(2)
    receiver.listener.start()
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"early"
    assert sender.lost.empty()


def test_send__peer_idle_for_long__reconnects_without_loss() -> None:
    pair = Pair(replace(QUICK_LIMITS, idle_seconds=0.05))
    try:
        sender, receiver = pair.end(1), pair.end(2)
        for number in range(3):
            sender.links.send_frame(SECOND, bytes([number]))
            assert receiver.arrived.get(timeout=PATIENCE)[1] == bytes([number])
            threading.Event().wait(0.2)  # longer than idle_seconds: the point of the test
        assert sender.lost.empty()
    finally:
        pair.close()


def test_send__more_waiting_than_allowed__raises_link_congested() -> None:
    pair = Pair(replace(QUICK_LIMITS, waiting_bytes=100))
    try:
        sender = pair.end(1)
        with pytest.raises(LinkCongested, match="the limit is 100"):
            sender.links.send_frame(SECOND, bytes(101))
    finally:
        pair.close()


def test_send__peer_does_not_read__continues_and_all_arrives_in_order_later(pair: Pair) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    reads = threading.Event()

    def receive(_: bytes, body: bytes) -> None:
        reads.wait()
        receiver.arrived.put((b"", body))

    receiver.links.start(receive, receiver.lost.put)
    # Several times the size of both kernels' buffers, in frames of one record and of many.
    sizes = [4 + 1000 * (number % 7) ** 3 for number in range(400)]
    bodies = [number.to_bytes(4) * (size // 4) for number, size in enumerate(sizes)]
    halves = bodies[::2], bodies[1::2]
    for body in halves[0]:
        sender.links.send_frame(SECOND, body)
    reads.set()
    for body in halves[1]:
        sender.links.send_frame(SECOND, body)
    assert [receiver.arrived.get(timeout=PATIENCE)[1] for _ in bodies] == [*halves[0], *halves[1]]
    assert sender.lost.empty()


def test_receive__frame_longer_than_allowed__closes_that_link_only() -> None:
    pair = Pair(replace(QUICK_LIMITS, frame_bytes=100))
    try:
        sender, receiver = pair.end(1), pair.end(2)
        sender.links.send_frame(SECOND, bytes(101))
        assert sender.lost.get(timeout=PATIENCE) == SECOND
        sender.links.send_frame(SECOND, b"short")
        assert receiver.arrived.get(timeout=PATIENCE)[1] == b"short"
    finally:
        pair.close()


@contextlib.contextmanager
def tapped(target: int) -> Iterator[tuple[int, bytearray]]:
    """A relay to a port, and all bytes that passed it."""
    seen = bytearray()
    relay = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                seen.extend(data)
                sink.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            near, _ = relay.accept()
            far = socket.create_connection(("127.0.0.1", target))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield relay.getsockname()[1], seen
    finally:
        relay.close()


def test_memory_links__loss_and_refusal__behave_like_tls(pair: Pair) -> None:
    network = MemoryNetwork(pair.directory)
    one = network.links(pair.keys[0].keyset.tls)
    other = network.links(pair.keys[1].keyset.tls)
    arrived: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
    lost: queue.SimpleQueue[ShardId] = queue.SimpleQueue()
    one.start(lambda *_: None, lost.put)
    one.send_frame(SECOND, b"too early")
    assert lost.get(timeout=PATIENCE) == SECOND
    other.start(lambda sender, body: arrived.put((sender, body)), lost.put)
    one.send_frame(SECOND, b"there")
    assert arrived.get(timeout=PATIENCE) == (pair.keys[0].keyset.tls, b"there")
    pair.directory.remove(FIRST)
    one.send_frame(SECOND, b"refused")
    assert lost.get(timeout=PATIENCE) == SECOND
    assert arrived.empty()


def test_identity__repr__hides_its_private_key(pair: Pair) -> None:
    assert "private" not in repr(link_identity(pair.keys[0]))


def test_h1__shard_gets_another_key_while_a_run_is_open__rows_of_the_run_never_follow(
    pair: Pair,
) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    opened_with = receiver.keys.keyset.tls
    sender.links.send_frame(SECOND, b"of the run", opened_with)
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"of the run"
    successor = keys_of("successor")
    listener = pair.listen(successor)
    pair.listeners.append(listener)
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read(stream: Stream) -> None:
        stream.send(b"")
        while True:
            received.put(stream.receive(64))

    listener.handle(LINK_ALPN, read, lambda _: True)
    present = pair.directory.find(SECOND)
    pair.directory.add(replace(present, tls=successor.keyset.tls, port=listener.port))
    sender.links.send_frame(SECOND, b"a heartbeat")
    assert received.get(timeout=PATIENCE) == b"a heartbeat"
    sender.links.send_frame(SECOND, b"of the run", opened_with)
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    sender.links.send_frame(SECOND, b"of a new run", successor.keyset.tls)
    assert received.get(timeout=PATIENCE) == b"of a new run"
    assert received.empty()


@pytest.mark.parametrize(("host", "sent"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_send__peer_is_behind_a_gateway__names_it_by_sni(
    pair: Pair, host: str, sent: str | None
) -> None:
    def connect(port: int) -> None:
        peers = [pair.peers()[0], replace(pair.peers()[1], host=host, port=port)]
        pair.end(1, FixedDirectory(peers)).links.send_frame(SECOND, b"frame")

    assert server_name_sent(connect) == sent
