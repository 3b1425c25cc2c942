# SPDX-License-Identifier: Apache-2.0
"""Intel's signed JSON, such as `{"tcbInfo": {…}, "signature": "…"}`.

Keeps the inner object's text exactly as it was signed."""

import json
from dataclasses import dataclass
from typing import Final, Self

from teetee.quotes.errors import CollateralInvalid

TCB_INFO: Final = "tcbInfo"
QE_IDENTITY: Final = "enclaveIdentity"
SIGNATURE: Final = "signature"

MAX_CHARACTERS: Final = 1 << 18
_SPACE: Final = " \t\r\n"


@dataclass(frozen=True)
class SignedJson:
    """A signed text and its signature."""

    text: str
    signature: bytes
    """r ‖ s, big-endian; 64 bytes if valid."""

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """From a PCCS's response with an inner object `name`. Raises `CollateralInvalid`."""
        if len(text) > MAX_CHARACTERS:
            raise CollateralInvalid(f"has a {name} of more than {MAX_CHARACTERS} characters")
        try:
            members = _members(text)
            signature = bytes.fromhex(json.loads(members[SIGNATURE]))
            inner = members[name]
            content = json.loads(inner)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CollateralInvalid(
                f'has a {name} that is not Intel\'s signed JSON {{"{name}": …, "signature": …}}'
            ) from None
        if not isinstance(content, dict):
            raise CollateralInvalid(f"has a {name} that is not an object")
        return cls(inner, signature)


def _members(text: str) -> dict[str, str]:
    """The source text of each member of the outermost object. Raises ValueError."""
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
