# SPDX-License-Identifier: Apache-2.0
"""An enclave's endpoint in the registry's spelling: `host:port`, or `[address]:port` for IPv6.

Opens no socket.
"""

from __future__ import annotations

from dataclasses import dataclass

from teetee.errors import MalformedEndpoint

MAX_PORT = 65_535


@dataclass(frozen=True)
class Endpoint:
    """A host name or address and a TCP port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """From `host:port`. Raises `MalformedEndpoint`: the registry does not check the form."""
        host, separator, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not separator or not host or not port.isascii() or not port.isdigit():
            raise MalformedEndpoint(text)
        if not 1 <= int(port) <= MAX_PORT:
            raise MalformedEndpoint(text)
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
