# SPDX-License-Identifier: Apache-2.0
"""The app-compose document: what a dstack guest runs, bound by its MRCONFIGID."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tee_simulator.errors import ComposeInvalid

MAX_BYTES = 256 * 1024

DEFAULT = json.dumps(
    {
        "manifest_version": 2,
        "name": "teetee-simulated",
        "runner": "docker-compose",
        "docker_compose_file": "# SIMULATED: nothing is started from this document\nservices: {}\n",
        "public_tcbinfo": True,
        "public_logs": False,
        "no_instance_id": False,
    },
    indent=4,
).encode()


@dataclass(frozen=True)
class Compose:
    """A compose document and its name. The hash covers the exact bytes."""

    document: bytes
    name: str

    @classmethod
    def parse(cls, document: bytes, source: str) -> Self:
        """Checks what dstack needs to boot. Raises `ComposeInvalid`, naming `source`."""
        if len(document) > MAX_BYTES:
            raise ComposeInvalid(source, f"has more than {MAX_BYTES} bytes")
        try:
            content = json.loads(document.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ComposeInvalid(source, "is not JSON in UTF-8") from error
        if not isinstance(content, dict):
            raise ComposeInvalid(source, "is not a JSON object")
        if not isinstance(content.get("manifest_version"), int | str):
            raise ComposeInvalid(source, "has no manifest_version")
        if not isinstance(content.get("runner"), str):
            raise ComposeInvalid(source, "has no runner")
        name = content.get("name", "")
        if not isinstance(name, str):
            raise ComposeInvalid(source, "has a name that is not a string")
        return cls(document, name)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the document in a file. Raises `ComposeInvalid`."""
        try:
            document = path.read_bytes()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise ComposeInvalid(str(path), f"cannot be read ({reason})") from error
        return cls.parse(document, str(path))

    @property
    def hash(self) -> bytes:
        """SHA-256 of the document: 32 bytes."""
        return hashlib.sha256(self.document).digest()
