# SPDX-License-Identifier: Apache-2.0
"""`teetee-stream/1` and `teetee-info/1`, both sides, and the endpoint that the registry names.

The first byte of an input says who reads the rest: an entry (one body from a stranger), or a wallet
(frames from an enclave, or an endpoint's text).
"""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from oracle.endpoints.info import InfoEndpoint
from oracle.endpoints.rate_limits import ConcurrencyLimit, RateLimit
from oracle.endpoints.stream import PADDING_BYTES, StreamEndpoint
from oracle.inference.live_text import Finished, LiveTexts
from teetee.client.errors import (
    EnclaveUnreachable,
    SealingKeyRefused,
    StreamBroken,
    StreamRefused,
)
from teetee.client.requests.answer_stream import Done, read_stream
from teetee.client.requests.entry_info import ask_template_tokens, fetch_sealing_key
from teetee.errors import MalformedEndpoint, MalformedFrame
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import RequestId
from teetee.protocol.json import frames as json_frames
from teetee.protocol.prompt import TemplateTokens
from teetee.protocol.sealing.key import SealingPublicKey
from tests.fuzzing.connections import NeverWaits, ServedBody, enclave_sends
from tests.fuzzing.target import Target
from tests.teetee.enclave_keys import keys_of

STREAM_ENTRY, STREAM_WALLET, INFO_ENTRY, INFO_WALLET, KEY_WALLET, ENDPOINT_TEXT = b"SsIike"
"""The first byte."""

REQUEST, PROOF, TLS = RequestId(3), b"p" * 32, b"t" * 32
ENDPOINT = Endpoint("shard.invalid", 7443)
SEALING_KEY = keys_of("enclave").kem.public_key
_SHARD = cast(
    Any,
    SimpleNamespace(
        shard_id=1,
        endpoint=str(ENDPOINT),
        keyset=SimpleNamespace(tls=TLS, kem=SEALING_KEY.digest),
    ),
)
TEMPLATE = TemplateTokens(10, 12, 4)
TEXT = "Once upon a time"


def _stream_endpoint() -> StreamEndpoint:
    texts = LiveTexts()
    text = texts.open(REQUEST, PROOF)
    text.append(TEXT)
    text.end(Finished("stop"))
    rate = RateLimit(per_second=1.0, burst=1 << 52, clock=lambda: 0.0)
    return StreamEndpoint(
        texts=texts, rate=rate, concurrency=ConcurrencyLimit(1), stop=NeverWaits()
    )


_STREAM = _stream_endpoint()
_INFO = InfoEndpoint(
    template=TEMPLATE,
    sealing_key=SEALING_KEY,
)


def run(data: bytes) -> None:
    """An entry replies to every body, and a wallet can read the reply."""
    what, rest = data[:1], data[1:]
    if what == bytes([STREAM_ENTRY]):
        _serve_stream(rest)
    elif what == bytes([INFO_ENTRY]):
        served = ServedBody(rest)
        _INFO.serve(served)
        assert _wallet_asks(_framed(served.replies)) == TEMPLATE
        assert _wallet_fetches(_framed(served.replies)) == SEALING_KEY
    elif what == bytes([INFO_WALLET]):
        _wallet_asks(rest)
    elif what == bytes([KEY_WALLET]):
        assert _wallet_fetches(rest) == SEALING_KEY
    elif what == bytes([ENDPOINT_TEXT]):
        endpoint = Endpoint.parse(rest.decode(errors="replace"))
        assert Endpoint.parse(str(endpoint)) == endpoint
    else:
        _wallet_reads(rest)


def seeds() -> Mapping[str, bytes]:
    """What both sides really send."""
    hello = {"requestId": REQUEST, "proof": PROOF.hex()}
    numbers = {"templateTokens": TEMPLATE.to_json()}
    key = {"sealingKey": "0x" + SEALING_KEY.data.hex()}
    events = ({"text": TEXT}, {"text": "é\n"}, {"done": True, "finishReason": "stop"})
    return {
        "hello": bytes([STREAM_ENTRY]) + json.dumps(hello).encode(),
        "hello-decimal": bytes([STREAM_ENTRY]) + json.dumps(hello | {"requestId": "3"}).encode(),
        "info-request": bytes([INFO_ENTRY]) + b"{}",
        "info": bytes([INFO_WALLET]) + json_frames.encode(numbers),
        "sealing-key": bytes([KEY_WALLET]) + json_frames.encode(key),
        "endpoint": bytes([ENDPOINT_TEXT]) + b"[2001:db8::7]:7443",
        "events": bytes([STREAM_WALLET]) + b"".join(map(json_frames.encode, events)),
    }


def _serve_stream(body: bytes) -> None:
    served = ServedBody(body)
    _STREAM.serve(served)
    assert _STREAM.listeners_of(REQUEST) == 0
    if len(served.replies) == 1:
        assert set(json.loads(served.replies[0])) == {"error"}
        return
    assert all(len(reply) % PADDING_BYTES == 0 for reply in served.replies)
    assert _wallet_reads(_framed(served.replies)) == TEXT


def _wallet_reads(data: bytes) -> str:
    """The text."""
    text = ""
    with enclave_sends(data, TLS):
        for event in read_stream(
            ENDPOINT, tls=TLS, request_id=REQUEST, proof=PROOF, stopped=lambda: False
        ):
            if isinstance(event, Done):
                event.finish_reason.encode()
            else:
                text += event.text
    text.encode()  # a terminal or a log must be able to show it
    return text


def _wallet_asks(data: bytes) -> TemplateTokens | None:
    with enclave_sends(data, TLS):
        return ask_template_tokens([_SHARD], lambda warning: None)


def _wallet_fetches(data: bytes) -> SealingPublicKey:
    with enclave_sends(data, TLS):
        return fetch_sealing_key(_SHARD)


def _framed(replies: list[bytes]) -> bytes:
    return b"".join(len(reply).to_bytes(4) + reply for reply in replies)


TARGET = Target(
    name="stream",
    summary="teetee-stream/1 and teetee-info/1: oracle/endpoints, teetee/client/requests",
    run=run,
    errors=(
        EnclaveUnreachable,
        MalformedEndpoint,
        MalformedFrame,
        SealingKeyRefused,
        StreamBroken,
        StreamRefused,
    ),
    seeds=seeds,
    max_bytes=8192,
    words=(
        *(f'"{name}":'.encode() for name in ("requestId", "proof", "text", "done", "finishReason")),
        *(f'"{name}":'.encode() for name in ("error", "templateTokens", "alone", "perMessage")),
        *(b"true", b"null", b"1e999", b"\\ud800", b"\0\0\0\x02{}", b'"busy"', PROOF.hex().encode()),
    ),
)
