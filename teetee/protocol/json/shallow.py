# SPDX-License-Identifier: Apache-2.0
"""Parses untrusted JSON; refuses deeply nested text before parsing it.

Python's parser recurses in C up to the interpreter's recursion limit. A required library raises
that limit so far that hostile text would crash the process instead of raising an error.
"""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 64
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_OPENING, _CLOSING = b"[{", b"]}"


def load(data: bytes) -> Any:
    """The value. Raises `ValueError` unless it is JSON in UTF-8, nested at most 64 deep."""
    require_shallow(data)
    return json.loads(data.decode())


def require_shallow(data: bytes) -> None:
    """Raises `ValueError` for text nested more than 64 deep, JSON or not."""
    # Text with few brackets cannot be nested deeply.
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
