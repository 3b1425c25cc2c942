# SPDX-License-Identifier: Apache-2.0
"""Frames and endpoints, valid and not.

given messages in frames
    when the bytes come in any pieces
        it should give the same messages
given any bytes
    when they are decoded
        it should give objects, wait for more, or say that they are malformed
given an endpoint as text
    when it is read
        it should be host and port, or refused
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.errors import MalformedEndpoint, MalformedFrame
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.json.frames import MAX_FRAME_BYTES, FrameDecoder, encode

messages = st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.booleans()))


@given(messages, st.integers(1, 50))
def test_feed__any_pieces__gives_the_same_messages(
    sent: list[dict[str, object]], size: int
) -> None:
    data = b"".join(encode(message) for message in sent)
    decoder = FrameDecoder()
    received = []
    for start in range(0, len(data), size):
        received += list(decoder.feed(data[start : start + size]))
    assert received == sent


@given(st.binary(max_size=200))
def test_feed__any_bytes__never_breaks(data: bytes) -> None:
    try:
        found = list(FrameDecoder().feed(data))
    except MalformedFrame:
        return
    assert all(isinstance(message, dict) for message in found)


@pytest.mark.parametrize("nested", [b"[", b'{"a":', b'[{"\\"":[', b'["]",['])
def test_feed__deeply_nested__is_malformed(nested: bytes) -> None:
    # Without the bound, this would crash the process.
    body = nested * (MAX_FRAME_BYTES // len(nested))
    with pytest.raises(MalformedFrame):
        list(FrameDecoder().feed(len(body).to_bytes(4) + body))


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=20))
def test_load__shallow__is_what_json_says(value: object) -> None:
    assert shallow_json.load(json.dumps(value).encode()) == value


def test_load__many_brackets_in_a_text__are_no_depth() -> None:
    value = {"text": '[{"' * 1000 + "\\"}
    assert shallow_json.load(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("enclave.example:7443", Endpoint("enclave.example", 7443)),
        ("203.0.113.7:1", Endpoint("203.0.113.7", 1)),
        ("[::1]:65535", Endpoint("::1", 65_535)),
    ],
)
def test_parse__endpoint__reads_and_writes_the_same(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "host", ":1", "host:", "host:0", "host:65536", "host:-1", "host:７", "[]:1"),
        *("host:" + "1" * 5000, "[[::1]]:1", "[host:1"),
    ],
)
def test_parse__no_endpoint__says_how_to_write_one(text: str) -> None:
    with pytest.raises(MalformedEndpoint, match="host:port"):
        Endpoint.parse(text)
