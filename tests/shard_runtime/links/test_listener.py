# SPDX-License-Identifier: Apache-2.0
"""The listener: one port for links and other purposes, open to unknown clients.

given a purpose without client certificates
    its handler should get the stream, with a limit and a timeout for each message
given a client without a certificate, of another purpose, or with an older TLS
    it should be refused
given garbage, silence or too many connections
    they should be closed, and the others continue
given a port in use
    it should raise PortUnavailable
"""

import contextlib
import queue
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest

from shard_runtime import Stream
from shard_runtime.errors import FrameInvalid, LinkClosed, PortUnavailable
from tests.shard_runtime.links.pairs import PATIENCE, SECOND, Pair
from tests.shard_runtime.rings import QUICK_LIMITS


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
    """Enrolment precedes all links."""
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


def test_handle__peer_sends_nothing__ends_after_the_timeout(pair: Pair) -> None:
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
def test_listener__stranger__is_refused_and_the_others_continue(
    pair: Pair, alpn: tuple[str, ...], version: ssl.TLSVersion
) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    assert refused(lambda: client(receiver.listener.port, *alpn, version=version))
    sender.links.send_frame(SECOND, b"still here")
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"still here"
    assert receiver.arrived.empty()


def test_listener__garbage_and_silence__are_closed_and_the_others_continue() -> None:
    pair = Pair(replace(QUICK_LIMITS, accept_seconds=0.3))
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
        while refused(lambda: client(port, "hold/1")):  # the closed one's thread still cleans up
            pass
    finally:
        pair.close()


def test_start__port_in_use__raises_port_unavailable(pair: Pair) -> None:
    port = pair.listeners[0].port
    with pytest.raises(PortUnavailable) as raised:
        pair.listen(pair.keys[1], port)
    assert (raised.value.host, raised.value.port) == ("127.0.0.1", port)
    assert "another process uses it" in str(raised.value)


def test_close__listener__frees_its_port_and_ends_its_connections(pair: Pair) -> None:
    pair.listeners[0].handle("echo/1", echo)
    port = pair.listeners[0].port
    with client(port, "echo/1") as connected:
        pair.listeners[0].close()
        with contextlib.suppress(OSError):
            assert connected.recv(1) == b""
    pair.listeners[0] = pair.listen(pair.keys[0], port)
