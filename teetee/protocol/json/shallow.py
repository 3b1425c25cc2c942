# SPDX-License-Identifier: Apache-2.0
"""JSON from outside, refused before it is parsed if it is nested too deeply.

Python's parser recurses in C, up to the interpreter's limit; a library which this package cannot do
without raises that limit so far that a hostile text would end the process instead of raising an
error.
"""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 64
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_OPENING, _CLOSING = b"[{", b"]}"


def load(data: bytes) -> Any:
    """The value. Raises `ValueError` for what is not UTF-8, not JSON, or nested deeper than 64."""
    require_shallow(data)
    return json.loads(data.decode())


def require_shallow(data: bytes) -> None:
    """Raises `ValueError` for what is nested deeper than 64, whether it is JSON or not."""
    # Most texts have few brackets, and need no closer look.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise ValueError("nested too deeply")


def _depth(data: bytes) -> int:
    depth = deepest = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            in_string = escaped or byte != _QUOTE
            escaped = byte == _BACKSLASH and not escaped
        elif byte == _QUOTE:
            in_string = True
        elif byte in _OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif byte in _CLOSING:
            depth -= 1
    return deepest
