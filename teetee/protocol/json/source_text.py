# SPDX-License-Identifier: Apache-2.0
"""The source text of an object's members, for signatures that cover text as it was written."""

from __future__ import annotations

import json

from teetee.protocol.json.shallow import require_shallow

_SPACE = " \t\r\n"


def members_of(text: str) -> dict[str, str]:
    """The source text of each member of the outermost object. Raises `ValueError`, also for a
    member that occurs twice, and for nesting deeper than 64.
    """
    require_shallow(text.encode())
    decoder = json.JSONDecoder()
    members: dict[str, str] = {}
    position = _after(text, _spaces(text, 0), "{")
    while True:
        key, position = decoder.raw_decode(text, _spaces(text, position))
        start = _spaces(text, _after(text, _spaces(text, position), ":"))
        _, position = decoder.raw_decode(text, start)
        if not isinstance(key, str) or key in members:
            raise ValueError("repeated member")
        members[key] = text[start:position]
        position = _spaces(text, position)
        if text[position : position + 1] != ",":
            break
        position += 1
    if text[_after(text, position, "}") :].strip(_SPACE):
        raise ValueError("text after the object")
    return members


def _spaces(text: str, position: int) -> int:
    while text[position : position + 1] in tuple(_SPACE):
        position += 1
    return position


def _after(text: str, position: int, character: str) -> int:
    if text[position : position + 1] != character:
        raise ValueError(f"{character} missing")
    return position + 1
