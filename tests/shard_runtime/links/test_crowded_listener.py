# SPDX-License-Identifier: Apache-2.0
"""A listener that strangers crowd, and one that cannot start threads: review findings M2, M5, B6.

given more silent connections than it holds
    a peer should open a link, and a client be served, at once
    the silent ones should be gone after `accept_seconds`
given strangers that hold all their places
    a peer should open a link
    a client should replace one that says nothing, and none that is served or has its reply
given a stranger whose message comes byte by byte, within one record of TLS too
    it should be gone when its time is up
given a peer that opens many links
    its newest should stay
given a thread that cannot start, or an accepting thread that ended
    the next connection should be accepted
"""

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shard_runtime import LinkLimits, Stream
from shard_runtime.engine.entry.heartbeat_sender import HeartbeatSender
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.engine.entry.shard_performance import ShardPerformance
from shard_runtime.errors import LinkClosed
from shard_runtime.links.listener import Handler
from shard_runtime.links.places import ConnectionPlaces
from shard_runtime.links.port import Links
from teetee.protocol.identifiers import ShardId
from tests.shard_runtime.engine.test_run_life import eventually
from tests.shard_runtime.links.pairs import PATIENCE, SECOND, Pair
from tests.shard_runtime.links.test_listener import client, echo, message, refused
from tests.shard_runtime.rings import QUICK_LIMITS

FEW = replace(QUICK_LIMITS, pending=8, strangers=4, connections_per_address=4)


@contextlib.contextmanager
def crowd(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Connections that say nothing."""
    silent = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(count)]
    try:
        yield silent
    finally:
        for each in silent:
            each.close()


@contextlib.contextmanager
def pair_with(limits: LinkLimits) -> Iterator[Pair]:
    linked = Pair(limits)
    try:
        yield linked
    finally:
        linked.close()


def test_m2__many_silent_connections__peers_and_clients_get_in_at_once() -> None:
    with pair_with(replace(FEW, accept_seconds=60.0)) as pair:
        sender, receiver = pair.end(1), pair.end(2)
        receiver.listener.handle("echo/1", echo)
        with crowd(receiver.listener.port, 40):
            sender.links.send_frame(SECOND, b"still here")
            assert receiver.arrived.get(timeout=PATIENCE)[1] == b"still here"
            with client(receiver.listener.port, "echo/1") as connected:
                connected.sendall((2).to_bytes(4) + b"hi")
                assert message(connected) == b"hi"
            assert len(receiver.listener._places.all()) <= FEW.pending + 3


def test_m2__silent_connection__is_gone_after_a_moment() -> None:
    with pair_with(replace(FEW, accept_seconds=0.2)) as pair:
        listener = pair.end(2).listener
        with crowd(listener.port, 4) as silent:
            for each in silent:
                with contextlib.suppress(ConnectionResetError):
                    assert each.recv(1) == b""
            assert eventually(lambda: not listener._places.all())


def test_m2__strangers_hold_all_their_places__peer_opens_its_link() -> None:
    with pair_with(FEW) as pair:
        sender, receiver = pair.end(1), pair.end(2)
        release = threading.Event()

        def hold(stream: Stream) -> None:
            stream.send(b"in")
            release.wait(PATIENCE)

        receiver.listener.handle("hold/1", hold)
        port = receiver.listener.port
        inside = [client(port, "hold/1") for _ in range(FEW.strangers)]
        assert [message(each) for each in inside] == [b"in"] * FEW.strangers
        assert refused(lambda: client(port, "hold/1"))
        sender.links.send_frame(SECOND, b"still here")
        assert receiver.arrived.get(timeout=PATIENCE)[1] == b"still here"
        release.set()
        for each in inside:
            each.close()


def echo_within(seconds: float) -> Handler:
    def handler(stream: Stream) -> None:
        stream.set_timeout(seconds)
        echo(stream)

    return handler


def reply_at_once(stream: Stream) -> None:
    stream.send(b"reply")


def test_b6__strangers_that_say_nothing_hold_all_places__each_wallet_gets_its_reply() -> None:
    with pair_with(FEW) as pair:
        listener = pair.end(2).listener
        listener.handle("echo/1", echo_within(60.0))
        listener.handle("info/1", reply_at_once)
        silent = [client(listener.port, "echo/1") for _ in range(3 * FEW.strangers)]
        for _ in range(3 * FEW.strangers):
            with client(listener.port, "info/1") as wallet:
                assert message(wallet) == b"reply"
        with client(listener.port, "echo/1") as wallet:
            wallet.sendall((2).to_bytes(4) + b"hi")
            assert message(wallet) == b"hi"
        for each in silent:
            each.close()


def test_b6__strangers_stay_after_their_reply__keep_no_other_out() -> None:
    with pair_with(FEW) as pair:
        listener = pair.end(2).listener
        listener.handle("info/1", reply_at_once)
        wallets = [client(listener.port, "info/1") for _ in range(5 * FEW.strangers)]
        assert [message(each) for each in wallets] == [b"reply"] * len(wallets)
        for each in wallets:
            each.close()


def test_b6__stranger_that_is_served__is_not_replaced() -> None:
    places: ConnectionPlaces[str] = ConnectionPlaces(FEW, lambda each: each.startswith("silent"))
    for number, name in enumerate(["served 0", "silent 1", "silent 2", "served 3"]):
        places.add(name, f"10.0.{number}.1")
        assert places.hold_stranger(name) == []
    replaced = []
    for number in range(2):
        places.add(f"served new {number}", "10.0.9.1")
        replaced += places.hold_stranger(f"served new {number}") or []
    assert sorted(replaced) == ["silent 1", "silent 2"]
    places.add("one more", "10.0.9.1")
    assert places.hold_stranger("one more") is None
    assert places.let_linger("served 0") is None
    places.add("the next", "10.0.9.1")
    assert places.hold_stranger("the next") == []


@pytest.mark.parametrize("drips", ["bytes of the message", "bytes of one TLS record"])
def test_b6__message_comes_byte_by_byte__is_cut_off_when_its_time_is_up(
    pair: Pair, drips: str
) -> None:
    """Each byte used to begin the kernel's timeout again: a record of TLS could take hours."""
    listener = pair.end(1).listener
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def handler(stream: Stream) -> None:
        stream.set_timeout(0.3)
        try:
            stream.receive(64)
        except LinkClosed as error:
            ended.put(str(error))

    listener.handle("echo/1", handler)
    with client(listener.port, "echo/1") as connected:
        started_at = time.monotonic()
        raw = socket.socket(fileno=os.dup(connected.fileno()))
        header = bytes((0x17, 3, 3, 1, 0))  # application data of 256 bytes
        with raw, contextlib.suppress(OSError):
            for place in range(100):
                if not ended.empty():
                    break
                if drips == "bytes of the message":
                    connected.sendall(b"\0" if place < 3 else b"")
                else:
                    raw.sendall(header[place : place + 1] or b"x")
                time.sleep(0.1)
        ended.get(timeout=PATIENCE)
        assert time.monotonic() - started_at < 3.0


def test_m2__pending_places_are_used_up__the_crowded_address_gives_its_oldest() -> None:
    places: ConnectionPlaces[str] = ConnectionPlaces(LinkLimits(pending=4))
    assert [places.add(f"crowd {number}", "10.0.0.9") for number in range(3)] == [None] * 3
    assert places.add("peer", "10.0.0.1") is None
    assert places.add("client", "10.0.0.2") == "crowd 0"
    assert places.add("crowd 3", "10.0.0.9") == "crowd 1"
    assert places.hold_link("peer", b"key") == []
    assert places.hold_stranger("crowd 0") is None


def test_pending_places__crowd_of_one_network__gives_its_own() -> None:
    places: ConnectionPlaces[str] = ConnectionPlaces(LinkLimits(pending=64))
    assert places.add("peer", "192.0.2.1") is None
    assert places.add("client", "2001:db8::1") is None
    for number in range(200):
        replaced = places.add(f"crowd {number}", f"10.0.0.{number}")
        assert replaced is None or replaced.startswith("crowd")
    assert {"peer", "client"} <= set(places.all())


def test_pending_places__as_many_networks_as_places__chance_decides() -> None:
    survived = 0
    for _ in range(40):
        places: ConnectionPlaces[str] = ConnectionPlaces(LinkLimits(pending=16))
        places.add("peer", "192.0.2.1")
        for number in range(31):
            places.add(f"crowd {number}", f"10.0.{number}.1")
        survived += "peer" in places.all()
    assert 0 < survived < 40, "the oldest would never survive"


def test_m2__peer_opens_many_links__the_newest_stay() -> None:
    places: ConnectionPlaces[str] = ConnectionPlaces(LinkLimits(links_per_peer=2))
    replaced = []
    for number in range(4):
        places.add(f"link {number}", "10.0.0.1")
        replaced += places.hold_link(f"link {number}", b"key")
    places.add("other", "10.0.0.1")
    assert places.hold_link("other", b"other key") == []
    assert replaced == ["link 0", "link 1"]
    assert places.all() == ["link 2", "link 3", "other"]


def failing_start(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> list[str]:
    """The next threads of that name do not start."""
    start, failed = threading.Thread.start, []

    def fail(thread: threading.Thread) -> None:
        if thread.name.startswith(name) and len(failed) < times:
            failed.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    return failed


def test_m5__thread_of_a_connection_does_not_start__the_next_client_is_served(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listener = pair.end(1).listener
    listener.handle("echo/1", echo)
    failed = failing_start(monkeypatch, "listener-connection", 3)
    for _ in range(3):
        assert refused(lambda: client(listener.port, "echo/1"))
    assert len(failed) == 3
    with client(listener.port, "echo/1") as connected:
        connected.sendall((2).to_bytes(4) + b"hi")
        assert message(connected) == b"hi"
    assert eventually(lambda: "no thread" in caplog.text)
    assert eventually(lambda: not listener._places.all())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_m5__accepting_thread_ended__the_watch_starts_another(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = pair.end(1).listener
    listener.handle("echo/1", echo)
    calls = [0]
    admit = listener._open

    def end_thread(connection: Any) -> None:
        calls[0] += 1
        if calls[0] == 1:
            raise SystemExit  # ends the thread silently
        admit(connection)

    monkeypatch.setattr(listener, "_open", end_thread)
    with contextlib.suppress(OSError):
        client(listener.port, "echo/1")
    assert eventually(lambda: calls[0] == 1)
    with client(listener.port, "echo/1") as connected:
        connected.sendall((2).to_bytes(4) + b"hi")
        assert message(connected) == b"hi"
    assert listener.is_accepting


def test_m5__thread_of_an_outgoing_link_does_not_start__reports_a_loss_and_opens_later(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, receiver = pair.end(1), pair.end(2)
    failed = failing_start(monkeypatch, "link-to-", 1)
    sender.links.send_frame(SECOND, b"lost")
    assert sender.lost.get(timeout=PATIENCE) == SECOND
    assert failed
    sender.links.send_frame(SECOND, b"there")
    assert receiver.arrived.get(timeout=PATIENCE)[1] == b"there"


def test_m5__sending_thread_fails__heartbeats_go_on(pair: Pair) -> None:
    sent: queue.SimpleQueue[ShardId] = queue.SimpleQueue()

    class FailingOnce:
        """The first frame fails in a way that no one expects."""

        def __init__(self) -> None:
            self.failed = False

        def send_frame(self, shard_id: ShardId, body: bytes, tls: bytes | None = None) -> None:
            if not self.failed:
                self.failed = True
                raise RuntimeError("can't start new thread")
            sent.put(shard_id)

    links: Links = FailingOnce()  # type: ignore[assignment]
    sender = HeartbeatSender(
        self_id=ShardId(1),
        links=links,
        directory=pair.directory,
        settings=HeartbeatSettings(interval_seconds=0.01, max_missed=1000),
        performance=ShardPerformance(lambda: 0.0),
        on_timeout=lambda _: None,
    )
    sender.monitor.watch_path([SECOND])
    sender.start()
    assert sent.get(timeout=PATIENCE) == SECOND
    sender.close()


def test_m5__handler_fails__its_connection_closes_and_others_go_on(pair: Pair) -> None:
    listener = pair.end(1).listener

    def fail(stream: Stream) -> None:
        raise MemoryError

    listener.handle("fail/1", fail)
    listener.handle("echo/1", echo)
    assert refused(lambda: client(listener.port, "fail/1"))
    with client(listener.port, "echo/1") as connected:
        connected.sendall((2).to_bytes(4) + b"hi")
        assert message(connected) == b"hi"
