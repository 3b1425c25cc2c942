# SPDX-License-Identifier: Apache-2.0
"""Salted commitments to the data between stages, computed incrementally. docs/protocol.md
section 5.

Each hop's salt is derived from the request's secret, so that a short prompt cannot be guessed from
the commitments on chain.
"""

import struct
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC


class RunningCommitment:
    """HMAC-SHA256 over all updates, concatenated in order."""

    def __init__(self, salt: bytes) -> None:
        self._mac = HMAC(salt, SHA256())
        self._pending: list[bytes] = []

    def update(self, data: bytes) -> None:
        """Append bytes (token ids or hidden states, little-endian). Hashing them is left to
        `catch_up`, or to `digest`.
        """
        self._pending.append(data)

    def catch_up(self) -> None:
        """Hash the pending bytes."""
        for data in self._pending:
            self._mac.update(data)
        self._pending.clear()

    def digest(self) -> bytes:
        """32 bytes over all updates so far; more may follow."""
        self.catch_up()
        return self._mac.copy().finalize()


def encode_token_ids(token_ids: Sequence[int]) -> bytes:
    """Hop 0's bytes: each id as u32 little-endian."""
    return struct.pack(f"<{len(token_ids)}I", *token_ids)
