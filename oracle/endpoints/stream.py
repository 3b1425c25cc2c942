# SPDX-License-Identifier: Apache-2.0
"""`teetee-stream/1`: text as it is made, for the one who knows `k` (docs/protocol.md section 7).
Entry shards only.

Nothing about a listener is logged, not even that there was one.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from oracle.endpoints.rate_limits import CountLimit, RateLimit
from oracle.inference.live_text import Finished, Interrupted, LiveEvent, LiveText, LiveTexts, Piece
from shard_runtime.errors import FrameInvalid
from teetee.protocol.identifiers import RequestId
from teetee.protocol.json import shallow as shallow_json

PURPOSE = "teetee-stream/1"
PROOF_BYTES = 32
HELLO_BYTES = 1024
HELLO_SECONDS = 5.0
# A listener that does not read what it asked for is dropped: threads are for those who do.
SEND_SECONDS = 10.0
# From sizes and times of encrypted pieces, topics can be told (arXiv 2511.03675): so a piece goes
# out on a beat and fills a bucket. That hides single tokens, not the length of the answer.
BEAT_SECONDS = 0.1
PADDED_TO = 512


class Stream(Protocol):
    """What both open endpoints need of `shard_runtime`'s connections: one `u32 length ‖ body` at a
    time.
    """

    def receive(self, limit: int) -> bytes:
        """The next body. Raises `FrameInvalid` beyond `limit` bytes, `LinkClosed` at the end or
        when it takes too long.
        """

    def send(self, body: bytes) -> None:
        """All of it. Raises `LinkClosed`."""

    def set_timeout(self, seconds: float) -> None:
        """For each of the two calls above."""


class StreamRefusal(Exception):
    """What the listener is told; `code` is one of the few that the protocol knows."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class StreamEndpoint:
    """Serves one listener per call of `serve`, in that call's thread."""

    def __init__(
        self, *, texts: LiveTexts, rate: RateLimit, count: CountLimit, stop: threading.Event
    ) -> None:
        self._texts = texts
        self._rate = rate
        self._count = count
        self._stop = stop

    def serve(self, stream: Stream) -> None:
        """Until the answer is whole, the listener goes away (`LinkClosed`) or the process stops."""
        if not (self._rate.admits() and self._count.enter()):
            send_json(stream, {"error": "busy"}, seconds=SEND_SECONDS)
            return
        try:
            self._serve(stream)
        except StreamRefusal as refusal:
            send_json(stream, {"error": refusal.code}, seconds=SEND_SECONDS)
        finally:
            self._count.leave()

    def _serve(self, stream: Stream) -> None:
        text = self._admit(receive_json(stream, limit=HELLO_BYTES, seconds=HELLO_SECONDS))
        for event in text.follow(self._stop):
            send_json(stream, _message(event), seconds=SEND_SECONDS, multiple=PADDED_TO)
            # What has come meanwhile goes out as one piece with the next beat.
            self._stop.wait(BEAT_SECONDS)

    def _admit(self, hello: dict[str, Any]) -> LiveText:
        request_id, proof = _read_hello(hello)
        text = self._texts.find(request_id)
        # The same word for a request that does not run here and for a proof that is wrong:
        # strangers learn neither.
        if text is None or not text.proved_by(proof):
            raise StreamRefusal("unknown")
        return text


def receive_json(stream: Stream, *, limit: int, seconds: float) -> dict[str, Any]:
    """The next body as an object; empty when it is malformed or longer than `limit` bytes. Raises
    `LinkClosed`.
    """
    stream.set_timeout(seconds)
    try:
        value = shallow_json.load(stream.receive(limit))
    except (FrameInvalid, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def send_json(
    stream: Stream, message: Mapping[str, Any], *, seconds: float, multiple: int = 1
) -> None:
    """One object, filled up with blanks to a `multiple` of bytes. Raises `LinkClosed`."""
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    stream.set_timeout(seconds)
    stream.send(body.ljust(-(-len(body) // multiple) * multiple))


def _read_hello(hello: dict[str, Any]) -> tuple[RequestId, bytes]:
    number, proof = hello.get("requestId"), hello.get("proof")
    # JSON numbers end at 2^53 for some clients, so a decimal string is taken as well.
    if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) <= 78:
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(proof, str):
        raise StreamRefusal("malformed")
    try:
        raw = bytes.fromhex(proof.removeprefix("0x"))
    except ValueError:
        raise StreamRefusal("malformed") from None
    if len(raw) != PROOF_BYTES:
        raise StreamRefusal("malformed")
    return RequestId(number), raw


def _message(event: LiveEvent) -> dict[str, Any]:
    match event:
        case Piece(text):
            return {"text": text}
        case Finished(finish_reason):
            return {"done": True, "finishReason": finish_reason}
        case Interrupted():
            return {"error": "interrupted"}
