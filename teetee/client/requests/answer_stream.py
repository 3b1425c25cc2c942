# SPDX-License-Identifier: Apache-2.0
"""`teetee-stream/1`: a connection to an entry that sends the answer's text as it is generated.

The stream is a convenience: the answer is the sealed one in the settlement, so a caller can turn
every error here into a warning. A stream always starts at the beginning of the answer.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from teetee.client import pinned_tls
from teetee.client.errors import StreamBroken, StreamRefused
from teetee.errors import MalformedFrame
from teetee.protocol.endpoint import STREAM_ALPN, Endpoint
from teetee.protocol.json import frames as json_frames

CONNECT_SECONDS = 10.0
# How often `stopped` is checked while nothing arrives.
POLL_SECONDS = 0.25
READ_BYTES = 65_536


@dataclass(frozen=True)
class Piece:
    """The next part of the text."""

    text: str


@dataclass(frozen=True)
class Done:
    """The answer is complete."""

    finish_reason: str


def read_stream(
    endpoint: Endpoint, *, tls: bytes, request_id: int, proof: bytes, stopped: Callable[[], bool]
) -> Iterator[Piece | Done]:
    """Connect, show the proof, and yield events until `Done` or until `stopped()`.

    `proof`: 32 bytes that only the requester can derive (docs/protocol.md, section 7). Errors:
    `EnclaveUnreachable`, `StreamBroken`, `StreamRefused` (retryable); `PeerKeyMismatch`,
    `WrongPeerPurpose`, `MalformedFrame` (fatal for this entry).
    """
    connection = pinned_tls.connect(endpoint, purpose=STREAM_ALPN, tls=tls, timeout=CONNECT_SECONDS)
    with connection:
        _send_message(connection, endpoint, {"requestId": request_id, "proof": proof.hex()})
        decoder = json_frames.FrameDecoder()
        for data in _receive(connection, endpoint, stopped):
            for message in decoder.feed(data):
                event = _event(message, endpoint)
                yield event
                if isinstance(event, Done):
                    return


def _send_message(connection: ssl.SSLSocket, endpoint: Endpoint, message: dict[str, Any]) -> None:
    try:
        connection.sendall(json_frames.encode(message))
    except OSError as error:
        raise StreamBroken(str(endpoint), pinned_tls.reason_of(error)) from error
    connection.settimeout(POLL_SECONDS)


def _receive(
    connection: ssl.SSLSocket, endpoint: Endpoint, stopped: Callable[[], bool]
) -> Iterator[bytes]:
    while not stopped():
        try:
            data = connection.recv(READ_BYTES)
        except TimeoutError:
            continue
        except OSError as error:
            raise StreamBroken(str(endpoint), pinned_tls.reason_of(error)) from error
        if not data:
            raise StreamBroken(str(endpoint), "the entry closed the connection")
        yield data


def _event(message: dict[str, Any], endpoint: Endpoint) -> Piece | Done:
    text, reason, code = (message.get(key) for key in ("text", "finishReason", "error"))
    if isinstance(code, str):
        raise StreamRefused(str(endpoint), code[:64])
    if message.get("done") is True:
        return Done(reason if isinstance(reason, str) else "")
    if isinstance(text, str):
        return Piece(text)
    raise MalformedFrame("it is neither text, end nor error")
