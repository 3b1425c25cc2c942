# SPDX-License-Identifier: Apache-2.0
"""JSON messages over the connections of `shard_runtime`'s listener, for both open endpoints."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from shard_runtime.errors import FrameInvalid
from teetee.protocol.json import shallow as shallow_json


class MessageStream(Protocol):
    """A connection of `shard_runtime`'s listener: one `u32 length ‖ body` at a time."""

    def receive(self, limit: int) -> bytes:
        """The next body. Raises `FrameInvalid` beyond `limit` bytes, and `LinkClosed` at the end or
        on a timeout.
        """

    def send(self, body: bytes) -> None:
        """Sends the whole body. Raises `LinkClosed`."""

    def set_timeout(self, seconds: float) -> None:
        """Applies to each of the two calls above."""


def receive_json(stream: MessageStream, *, limit: int, seconds: float) -> dict[str, Any]:
    """The next body as an object; empty if it is malformed or longer than `limit` bytes.

    Raises `LinkClosed`.
    """
    stream.set_timeout(seconds)
    try:
        value = shallow_json.load(stream.receive(limit))
    except (FrameInvalid, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def send_json(
    stream: MessageStream, message: Mapping[str, Any], *, seconds: float, multiple: int = 1
) -> None:
    """Sends one object, padded with blanks to a `multiple` of bytes. Raises `LinkClosed`."""
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    stream.set_timeout(seconds)
    stream.send(body.ljust(-(-len(body) // multiple) * multiple))
