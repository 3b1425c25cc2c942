# SPDX-License-Identifier: Apache-2.0
"""Links: TLS 1.3 between pinned keys, on one port with other purposes; and what happens when they
break.

given two shards that know each other
    when frames are sent
        they should arrive in order, from the peer whose key was pinned, unreadable on the wire
given a peer that does not read for a while
    who sends should not wait for it, and all should arrive in order when it reads
given a peer with another key, on either side; a peer without a certificate; an older TLS
    it should be refused, and nothing of ours be sent
given a peer that the directory accepts no more
    its links should close by themselves
given a peer that ends and comes back
    frames should arrive again, and the loss in between be told
given a stranger: garbage, silence, too many connections, too long a message
    the others should go on
given a purpose without client certificates
    its handler should get the stream
given a port in use
    it should say so
"""

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from shard_runtime import FixedDirectory, LinkLimits, Listener, Peer, Stream, TlsLinks
from shard_runtime.errors import FrameInvalid, LinkClosed, LinkCongested, PortUnavailable
from shard_runtime.links.memory_links import MemoryNetwork
from teetee.enclave.keys import EnclaveKeys
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.rings import QUICK_LIMITS, identity_digest, keys_of, link_identity

PATIENCE = 10.0
FIRST, SECOND = ShardId(1), ShardId(2)


@dataclass
class End:
    """One shard's listener and links, and what happened to it."""

    keys: EnclaveKeys
    listener: Listener
    links: TlsLinks
    arrived: "queue.SimpleQueue[tuple[bytes, bytes]]"
    lost: "queue.SimpleQueue[ShardId]"

    def start(self) -> None:
        self.links.start(lambda sender, body: self.arrived.put((sender, body)), self.lost.put)


def peer(number: int, keys: EnclaveKeys, port: int) -> Peer:
    return Peer(
        shard_id=ShardId(number),
        host="127.0.0.1",
        port=port,
        tls=keys.keyset.tls,
        layers=LayerRange(number - 1, number),
        signer=keys.keyset.signer,
        identity_digest=identity_digest(number),
    )


class Pair:
    """Shards 1 and 2; each end may have a directory of its own."""

    def __init__(self, limits: LinkLimits = QUICK_LIMITS) -> None:
        self.limits = limits
        self.keys = [keys_of("shard 1"), keys_of("shard 2")]
        self.listeners = [self.listen(each) for each in self.keys]
        self.directory = FixedDirectory(self.peers())
        self._ends: list[End] = []

    def listen(self, keys: EnclaveKeys, port: int = 0, *, start: bool = True) -> Listener:
        identity = link_identity(keys)
        listener = Listener(identity=identity, host="127.0.0.1", port=port, limits=self.limits)
        if start:
            listener.start()
        return listener

    def peers(self) -> list[Peer]:
        return [
            peer(number, keys, listener.port)
            for number, (keys, listener) in enumerate(
                zip(self.keys, self.listeners, strict=True), start=1
            )
        ]

    def end(self, number: int, directory: FixedDirectory | None = None) -> End:
        keys, listener = self.keys[number - 1], self.listeners[number - 1]
        links = TlsLinks(
            identity=link_identity(keys),
            directory=directory or self.directory,
            listener=listener,
            limits=self.limits,
        )
        end = End(keys, listener, links, queue.SimpleQueue(), queue.SimpleQueue())
        end.start()
        self._ends.append(end)
        return end

    def close(self) -> None:
        for end in self._ends:
            end.links.close()
        for listener in self.listeners:
            listener.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


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
def test_send__pin_of_one_side_differs__is_refused_and_told(pair: Pair, who: str) -> None:
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


def test_send__shard_not_in_the_directory__is_told(pair: Pair) -> None:
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


def test_send__peer_ended_and_came_back__tells_the_loss_and_connects_anew(pair: Pair) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    sender.links.send_frame(SECOND, b"before")
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"before"
    port = receiver.listener.port
    receiver.listener.close()
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    pair.listeners[1] = pair.listen(pair.keys[1], port)
    again = pair.end(2)
    sender.links.send_frame(SECOND, b"after")
    assert again.arrived.get(timeout=PATIENCE)[1] == b"after"


def test_send__peer_not_there_yet__tries_again_until_it_is(pair: Pair) -> None:
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


def test_send__peer_idle_for_long__connects_anew_without_loss() -> None:
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


def test_send__peer_does_not_read__goes_on_and_all_arrives_in_order_later(pair: Pair) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    reads = threading.Event()

    def receive(_: bytes, body: bytes) -> None:
        reads.wait()
        receiver.arrived.put((b"", body))

    receiver.links.start(receive, receiver.lost.put)
    # Several times what the buffers of both kernels hold, in frames of one record and of many.
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
    """A relay to a port, and everything that went through it."""
    seen = bytearray()
    door = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                seen.extend(data)
                sink.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            near, _ = door.accept()
            far = socket.create_connection(("127.0.0.1", target))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield door.getsockname()[1], seen
    finally:
        door.close()


def client(
    port: int, *alpn: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLSocket:
    """A client with Python's own TLS, without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = context.minimum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    connected = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    return context.wrap_socket(connected)


def echo(stream: Stream) -> None:
    assert stream.peer_tls is None
    stream.send(stream.receive(64))


def message(connected: ssl.SSLSocket) -> bytes:
    length = int.from_bytes(connected.recv(4))
    return connected.recv(length) if length else b""


def test_handle__other_purpose__gets_the_stream_without_a_client_certificate(pair: Pair) -> None:
    pair.end(1)
    pair.listeners[0].handle("echo/1", echo)
    with client(pair.listeners[0].port, "echo/1") as connected:
        assert connected.selected_alpn_protocol() == "echo/1"
        connected.sendall((5).to_bytes(4) + b"hello")
        assert message(connected) == b"hello"
        assert connected.recv(1) == b""


def test_handle__purpose_before_any_links__is_served(pair: Pair) -> None:
    """Enrolment comes before anybody may connect for a run."""
    pair.listeners[0].handle("echo/1", echo)
    with client(pair.listeners[0].port, "echo/1") as connected:
        connected.sendall((2).to_bytes(4) + b"hi")
        assert message(connected) == b"hi"
    with pytest.raises((ssl.SSLError, OSError)):
        client(pair.listeners[0].port, "teetee-link/1").recv(1)


def test_handle__message_longer_than_its_limit__is_refused(pair: Pair) -> None:
    outcome: queue.SimpleQueue[Exception] = queue.SimpleQueue()

    def handler(stream: Stream) -> None:
        try:
            stream.receive(64)
        except FrameInvalid as error:
            outcome.put(error)

    pair.listeners[0].handle("echo/1", handler)
    with client(pair.listeners[0].port, "echo/1") as connected:
        connected.sendall((65).to_bytes(4) + bytes(65))
        error = outcome.get(timeout=PATIENCE)
    assert "announces 65 bytes, and the limit is 64" in str(error)


def test_handle__peer_says_nothing__ends_after_the_time_out(pair: Pair) -> None:
    outcome: queue.SimpleQueue[Exception] = queue.SimpleQueue()

    def handler(stream: Stream) -> None:
        stream.set_timeout(0.05)
        try:
            stream.receive(64)
        except LinkClosed as error:
            outcome.put(error)

    pair.listeners[0].handle("echo/1", handler)
    with client(pair.listeners[0].port, "echo/1"):
        assert "took too long" in str(outcome.get(timeout=PATIENCE))


def refused(connect: Callable[[], ssl.SSLSocket]) -> bool:
    try:
        with connect() as connected:
            return connected.recv(1) == b""
    except OSError:  # ssl.SSLError is one
        return True


@pytest.mark.parametrize(
    ("alpn", "version"),
    [
        (("teetee-link/1",), ssl.TLSVersion.TLSv1_3),
        (("something-else/1",), ssl.TLSVersion.TLSv1_3),
        ((), ssl.TLSVersion.TLSv1_3),
        (("teetee-link/1",), ssl.TLSVersion.TLSv1_2),
    ],
    ids=["link without a certificate", "unknown purpose", "no purpose", "TLS 1.2"],
)
def test_listener__stranger__is_refused_and_the_others_go_on(
    pair: Pair, alpn: tuple[str, ...], version: ssl.TLSVersion
) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    assert refused(lambda: client(receiver.listener.port, *alpn, version=version))
    sender.links.send_frame(SECOND, b"still here")
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"still here"
    assert receiver.arrived.empty()


def test_listener__garbage_and_silence__are_closed_and_the_others_go_on() -> None:
    pair = Pair(replace(QUICK_LIMITS, handshake_seconds=0.3))
    try:
        sender, receiver = pair.end(1), pair.end(2)
        address = ("127.0.0.1", receiver.listener.port)
        with (
            socket.create_connection(address, PATIENCE) as garbage,
            socket.create_connection(address, PATIENCE) as silent,
        ):
            garbage.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                while garbage.recv(64):
                    pass
            with contextlib.suppress(ConnectionResetError):
                assert silent.recv(1) == b""
        sender.links.send_frame(SECOND, b"still here")
        assert receiver.arrived.get(timeout=PATIENCE)[1] == b"still here"
    finally:
        pair.close()


def test_listener__more_connections_than_allowed__refuses_the_next_until_one_ends() -> None:
    pair = Pair(replace(QUICK_LIMITS, connections_per_address=2))
    ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def hold(stream: Stream) -> None:
        with contextlib.suppress(LinkClosed):
            stream.send(b"in")
            stream.receive(1)
        ended.put(None)

    try:
        pair.listeners[0].handle("hold/1", hold)
        port = pair.listeners[0].port
        inside = [client(port, "hold/1") for _ in range(2)]
        assert [message(each) for each in inside] == [b"in", b"in"]
        assert refused(lambda: client(port, "hold/1"))
        inside[0].close()
        ended.get(timeout=PATIENCE)
        inside[1].close()
        ended.get(timeout=PATIENCE)
        while refused(lambda: client(port, "hold/1")):  # the thread of the one that ended cleans up
            pass
    finally:
        pair.close()


def test_start__port_in_use__says_so(pair: Pair) -> None:
    port = pair.listeners[0].port
    with pytest.raises(PortUnavailable) as raised:
        pair.listen(pair.keys[1], port)
    assert (raised.value.host, raised.value.port) == ("127.0.0.1", port)
    assert "another process uses it" in str(raised.value)


def test_close__listener__frees_its_port_and_ends_its_guests(pair: Pair) -> None:
    pair.listeners[0].handle("echo/1", echo)
    port = pair.listeners[0].port
    with client(port, "echo/1") as connected:
        pair.listeners[0].close()
        with contextlib.suppress(OSError):
            assert connected.recv(1) == b""
    pair.listeners[0] = pair.listen(pair.keys[0], port)


def test_memory_links__the_twin__behaves_alike(pair: Pair) -> None:
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


def test_identity__shown__hides_its_private_key(pair: Pair) -> None:
    assert "private" not in repr(link_identity(pair.keys[0]))
