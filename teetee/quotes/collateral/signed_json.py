# SPDX-License-Identifier: Apache-2.0
"""Intel's signed JSON, such as `{"tcbInfo": {…}, "signature": "…"}`.

Keeps the inner object's text exactly as it was signed."""

from dataclasses import dataclass
from typing import Final, Self

from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.json.source_text import members_of
from teetee.quotes.errors import CollateralInvalid

TCB_INFO: Final = "tcbInfo"
QE_IDENTITY: Final = "enclaveIdentity"
SIGNATURE: Final = "signature"

MAX_CHARACTERS: Final = 1 << 18


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
            members = members_of(text)
            signature = bytes.fromhex(shallow_json.load(members[SIGNATURE].encode()))
            inner = members[name]
            content = shallow_json.load(inner.encode())
        except (ValueError, KeyError, TypeError):
            raise CollateralInvalid(
                f'has a {name} that is not Intel\'s signed JSON {{"{name}": …, "signature": …}}'
            ) from None
        if not isinstance(content, dict):
            raise CollateralInvalid(f"has a {name} that is not an object")
        return cls(inner, signature)
