# SPDX-License-Identifier: Apache-2.0
"""dstack's app-compose document: what a guest runs, and the hash that a quote carries.

dstack hashes the file's bytes: the same JSON with other whitespace is another document.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from teetee.protocol.json import shallow as shallow_json
from teetee.quotes.errors import ComposeInvalid
from teetee.quotes.mr_config import mr_config_v1

MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class AppCompose:
    """One document, and the hashes derived from it."""

    document: bytes
    name: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file. Raises `ComposeInvalid` for a document that dstack would not start."""
        try:
            with path.open("rb") as file:
                document = file.read(MAX_BYTES + 1)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ComposeInvalid(str(path), f"cannot be read ({reason})") from None
        return cls.parse(document, str(path))

    @classmethod
    def parse(cls, document: bytes, source: str) -> Self:
        """From its bytes. Raises `ComposeInvalid`, naming `source`."""
        if len(document) > MAX_BYTES:
            raise ComposeInvalid(source, f"has more than {MAX_BYTES} bytes")
        content = _object(document, source)
        if not isinstance(content.get("manifest_version"), int | str):
            raise ComposeInvalid(source, "has no manifest_version")
        if not isinstance(content.get("runner"), str):
            raise ComposeInvalid(source, "has no runner")
        name = content.get("name", "")
        if not isinstance(name, str):
            raise ComposeInvalid(source, "has a name that is no text")
        return cls(document, name)

    @property
    def hash(self) -> bytes:
        """SHA-256 of the document: 32 bytes."""
        return hashlib.sha256(self.document).digest()

    @property
    def mr_config_id(self) -> bytes:
        """48 bytes: MRCONFIGID in the quotes of guests started with it (dstack version 1)."""
        return mr_config_v1(self.hash)


def _object(document: bytes, source: str) -> dict[str, Any]:
    try:
        content = shallow_json.load(document)
    except ValueError:
        rule = "is not JSON in UTF-8, or is nested more than 64 deep"
        raise ComposeInvalid(source, rule) from None
    if not isinstance(content, dict):
        raise ComposeInvalid(source, "is not a JSON object")
    return content
