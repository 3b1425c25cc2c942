# SPDX-License-Identifier: Apache-2.0
"""`read_stream` and `LiveAnswer` against a real TLS server.

given an entry which holds the key that the registry shows
    when it streams
        it should yield the pieces and the end, having shown the proof
    when it refuses, breaks off or breaks the protocol
        it should raise the error of that kind
given another peer at that endpoint
    when the key differs
        it should refuse before anything is sent
    when the purpose is not offered
        it should refuse
given a closed endpoint
    when it connects
        it should raise a retryable error
given two entries, of which the first is silent
    when the second one's time comes
        it should follow the second, and show no text twice
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from teetee.client.errors import (
    EnclaveUnreachable,
    PeerKeyMismatch,
    StreamBroken,
    StreamRefused,
    WrongPeerPurpose,
)
from teetee.client.requests.answer_stream import Done, Piece, read_stream
from teetee.client.requests.live_answer import LiveAnswer, StreamEntry
from teetee.errors import MalformedFrame
from teetee.protocol.endpoint import STREAM_ALPN, Endpoint
from tests.teetee.client.entry_server import EntryServer, Script, Send, enclave_keys, says

PROOF = bytes(range(32))
KEYS = enclave_keys(1)


def read(server: EntryServer, endpoint: str = "") -> list[Piece | Done]:
    return list(
        read_stream(
            Endpoint.parse(endpoint or server.endpoint),
            tls=KEYS.keyset.tls,
            request_id=7,
            proof=PROOF,
            stopped=lambda: False,
        )
    )


def test_read_stream__entry_streams__yields_pieces_and_end() -> None:
    script = says({"text": "Ja"}, {"text": "nus 🙂"}, {"done": True, "finishReason": "stop"})
    with EntryServer(KEYS, STREAM_ALPN, script) as server:
        events = read(server)
    assert events == [Piece("Ja"), Piece("nus 🙂"), Done("stop")]
    assert server.received == [{"requestId": 7, "proof": PROOF.hex()}]


def test_read_stream__entry_refuses__raises_with_the_code() -> None:
    with (
        EntryServer(KEYS, STREAM_ALPN, says({"error": "unknown"})) as server,
        pytest.raises(StreamRefused) as refused,
    ):
        read(server)
    assert refused.value.code == "unknown"


def test_read_stream__entry_closes_early__raises_stream_broken() -> None:
    with (
        EntryServer(KEYS, STREAM_ALPN, says({"text": "Ja"})) as server,
        pytest.raises(StreamBroken, match="the answer will come from the chain"),
    ):
        read(server)


@pytest.mark.parametrize(
    "frame",
    [b"\0\0\0\5hello", b"\0\0\0\2[]", b"\0\0\0\2{}", b"\xff\xff\xff\xff", b"\0\0\0\1\xff"],
    ids=["no JSON", "no object", "no known message", "too long", "no UTF-8"],
)
def test_read_stream__entry_breaks_the_protocol__raises_malformed_frame(frame: bytes) -> None:
    with (
        EntryServer(KEYS, STREAM_ALPN, lambda _, send: send(frame)) as server,
        pytest.raises(MalformedFrame) as malformed,
    ):
        read(server)
    assert "hello" not in str(malformed.value)


def test_read_stream__other_key__refuses_before_anything_is_sent() -> None:
    with EntryServer(enclave_keys(2), STREAM_ALPN, says({"done": True})) as server:
        with pytest.raises(PeerKeyMismatch, match="nothing was sent"):
            read(server)
        received = server.received
    assert received == []


def test_read_stream__other_purpose__refuses() -> None:
    with EntryServer(KEYS, "teetee-link/1", says({"done": True})) as server:
        with pytest.raises((WrongPeerPurpose, EnclaveUnreachable)):
            read(server)
        received = server.received
    assert received == []


def test_read_stream__endpoint_closed__is_retryable() -> None:
    with EntryServer(KEYS, STREAM_ALPN, says({"done": True})) as server:
        endpoint = server.endpoint
    with pytest.raises(EnclaveUnreachable, match=endpoint):
        read(server, endpoint=endpoint)


def follow(*entries: StreamEntry) -> tuple[str, list[str], list[str]]:
    pieces: list[str] = []
    warnings: list[str] = []
    live = LiveAnswer(
        entries, request_id=7, proof=PROOF, on_text=pieces.append, on_warning=warnings.append
    )
    live.start()
    return live.stop(grace=10), pieces, warnings


def test_live_answer__entry_not_at_work_yet__asks_again() -> None:
    replies = iter([says({"error": "unknown"}), says({"text": "Janus"}, {"done": True})])

    def script(message: dict[str, Any], send: Any) -> None:
        next(replies)(message, send)

    with EntryServer(KEYS, STREAM_ALPN, script) as server:
        text, pieces, warnings = follow(StreamEntry(server.endpoint, KEYS.keyset.tls, 0))
    assert (text, pieces, warnings) == ("Janus", ["Janus"], [])


def test_live_answer__stream_breaks_and_restarts__shows_no_text_twice() -> None:
    replies = iter([says({"text": "Ja"}), says({"text": "Jan"}, {"text": "us"}, {"done": True})])

    def script(message: dict[str, Any], send: Any) -> None:
        next(replies)(message, send)

    with EntryServer(KEYS, STREAM_ALPN, script) as server:
        text, pieces, warnings = follow(StreamEntry(server.endpoint, KEYS.keyset.tls, 0))
    assert (text, pieces) == ("Janus", ["Ja", "n", "us"])
    assert len(warnings) == 1


def test_live_answer__run_is_interrupted__says_so_once_and_goes_on() -> None:
    broken = says({"text": "Ja"}, {"error": "interrupted"})
    replies = iter([broken, broken, says({"text": "Janus"}, {"done": True})])

    def script(message: dict[str, Any], send: Any) -> None:
        next(replies)(message, send)

    with EntryServer(KEYS, STREAM_ALPN, script) as server:
        text, pieces, warnings = follow(StreamEntry(server.endpoint, KEYS.keyset.tls, 0))
    assert (text, pieces) == ("Janus", ["Ja", "nus"])
    assert len(warnings) == 1
    assert "Otherwise it declines, and the deposit is refunded" in warnings[0]


def silent_until(released: threading.Event) -> Script:
    def script(_message: dict[str, Any], _send: Send) -> None:
        released.wait(30)

    return script


def test_live_answer__primary_silent__follows_the_one_who_takes_over() -> None:
    released = threading.Event()
    second = enclave_keys(2)
    done = says({"text": "Janus"}, {"done": True, "finishReason": "stop"})
    with (
        EntryServer(KEYS, STREAM_ALPN, silent_until(released)) as primary,
        EntryServer(second, STREAM_ALPN, done) as other,
    ):
        text, _, _ = follow(
            StreamEntry(primary.endpoint, KEYS.keyset.tls, 0),
            StreamEntry(other.endpoint, second.keyset.tls, time.time() + 0.3),
        )
        released.set()
    assert text == "Janus"


def test_live_answer__wrong_key__warns_once_and_goes_on_without_text() -> None:
    warnings: list[str] = []
    warned = threading.Event()

    def warn(text: str) -> None:
        warnings.append(text)
        warned.set()

    with EntryServer(enclave_keys(2), STREAM_ALPN, says({"done": True})) as server:
        entry = StreamEntry(server.endpoint, KEYS.keyset.tls, 0)
        live = LiveAnswer(
            [entry], request_id=7, proof=PROOF, on_text=lambda _: None, on_warning=warn
        )
        live.start()
        assert warned.wait(10)
        assert live.stop() == ""
    assert len(warnings) == 1
    assert "another key" in warnings[0]
