# SPDX-License-Identifier: Apache-2.0
"""Frames of `u32 length ‖ UTF-8 JSON`, used by `teetee-stream/1` and `teetee-enrol/1`
(docs/protocol.md, section 7). Opens no socket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from teetee.errors import MalformedFrame
from teetee.protocol.json import shallow as shallow_json

LENGTH_BYTES = 4
# The longest message is an enrolment with its quote, about 12 kB as hex.
MAX_FRAME_BYTES = 1 << 18


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as one frame."""
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class FrameDecoder:
    """Buffers received bytes and yields each complete message once."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that `data` completes. Raises `MalformedFrame` if one is no JSON object."""
        self._buffer += data
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> dict[str, Any] | None:
        if len(self._buffer) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if length > MAX_FRAME_BYTES:
            raise MalformedFrame(f"it announces {length} bytes, more than {MAX_FRAME_BYTES}")
        end = LENGTH_BYTES + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[LENGTH_BYTES:end])
        del self._buffer[:end]
        return _json_object(body)


def _json_object(body: bytes) -> dict[str, Any]:
    # The body may contain an answer: the error must not quote it.
    try:
        message = shallow_json.load(body)
    except ValueError:
        raise MalformedFrame("it is not JSON") from None
    if not isinstance(message, dict):
        raise MalformedFrame("it is not a JSON object")
    return message
