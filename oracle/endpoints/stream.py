# SPDX-License-Identifier: Apache-2.0
"""`teetee-stream/1`: the text of a running request, for the client that knows `k` (docs/protocol.md
section 7). Entry shards only; attached as `STREAM_ALPN` by oracle/process/services.py.

Nothing about a listener is logged, not even its connection.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oracle.endpoints.messages import MessageStream, receive_json, send_json
from oracle.endpoints.rate_limits import ConcurrencyLimit, RateLimit
from oracle.inference.live_text import Finished, Interrupted, LiveEvent, LiveText, LiveTexts, Piece
from teetee.protocol.identifiers import RequestId

PROOF_BYTES = 32
MAX_HELLO_BYTES = 1024
MAX_STREAMS_PER_REQUEST = 2
HELLO_TIMEOUT_SECONDS = 3.0
# A listener that does not read its stream is dropped, because it occupies a thread.
SEND_TIMEOUT_SECONDS = 10.0
# Sizes and times of encrypted pieces can reveal topics (arXiv 2511.03675). Pieces are therefore
# sent at fixed intervals and padded. That hides single tokens, not the length of the answer.
INTERVAL_SECONDS = 0.1
PADDING_BYTES = 512


class StreamRefusal(Exception):
    """A refusal; the listener receives its `code`, one of those in the protocol."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class StreamEndpoint:
    """Each call of `serve` serves one listener, in the calling thread."""

    def __init__(
        self,
        *,
        texts: LiveTexts,
        rate: RateLimit,
        concurrency: ConcurrencyLimit,
        stop: threading.Event,
    ) -> None:
        self._texts = texts
        self._rate = rate
        self._concurrency = concurrency
        self._stop = stop
        self._listeners: Counter[RequestId] = Counter()
        """Of each request."""
        self._lock = threading.Lock()

    def serve(self, stream: MessageStream) -> None:
        """Sends text until the answer is complete, the listener disconnects (`LinkClosed`) or the
        process stops.
        """
        try:
            hello = receive_json(stream, limit=MAX_HELLO_BYTES, seconds=HELLO_TIMEOUT_SECONDS)
            request_id, text = self._authenticate(hello)
            with self._place(request_id):
                self._send_text(stream, text)
        except StreamRefusal as refusal:
            send_json(stream, {"error": refusal.code}, seconds=SEND_TIMEOUT_SECONDS)

    def listeners_of(self, request_id: RequestId) -> int:
        """How many listen to that request now."""
        with self._lock:
            return self._listeners[request_id]

    def _send_text(self, stream: MessageStream, text: LiveText) -> None:
        for event in text.follow(self._stop):
            send_json(stream, _message(event), seconds=SEND_TIMEOUT_SECONDS, multiple=PADDING_BYTES)
            # Text that is added meanwhile goes out as one piece after the interval.
            self._stop.wait(INTERVAL_SECONDS)

    @contextmanager
    def _place(self, request_id: RequestId) -> Iterator[None]:
        """A place for one more listener, after its proof: a client without one occupies none, and
        a requester few. Raises `StreamRefusal`.
        """
        with self._lock:
            if self._listeners[request_id] >= MAX_STREAMS_PER_REQUEST:
                raise StreamRefusal("busy")
            if not (self._rate.try_acquire() and self._concurrency.try_acquire()):
                raise StreamRefusal("busy")
            self._listeners[request_id] += 1
        try:
            yield
        finally:
            self._concurrency.release()
            with self._lock:
                self._listeners[request_id] -= 1
                self._listeners = +self._listeners

    def _authenticate(self, hello: dict[str, Any]) -> tuple[RequestId, LiveText]:
        request_id, proof = _read_hello(hello)
        text = self._texts.find(request_id)
        # The same code for a request that does not run here and for a wrong proof: a client without
        # the proof learns neither.
        if text is None or not text.accepts(proof):
            raise StreamRefusal("unknown")
        return request_id, text


def _read_hello(hello: dict[str, Any]) -> tuple[RequestId, bytes]:
    number, proof = hello.get("requestId"), hello.get("proof")
    # JSON numbers end at 2^53 for some clients, so a decimal string is accepted too.
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
