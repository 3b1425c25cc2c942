# SPDX-License-Identifier: Apache-2.0
"""Salted commitments to what travels between stages, growing as it travels. docs/protocol.md
section 5.

The salt is one per hop and comes from the request's secret, so that nobody can guess a short prompt
from the chain.
"""

import struct
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC


class RunningCommitment:
    """HMAC-SHA256 over everything so far. How the bytes were cut into updates does not matter,
    their order does.
    """

    def __init__(self, salt: bytes) -> None:
        self._mac = HMAC(salt, SHA256())
        self._waiting: list[bytes] = []

    def update(self, data: bytes) -> None:
        """Take in the next bytes (token ids or hidden states, little-endian). They are hashed when
        there is time, by `catch_up`, or when the digest is asked for.
        """
        self._waiting.append(data)

    def catch_up(self) -> None:
        """Hash what was taken in."""
        for data in self._waiting:
            self._mac.update(data)
        self._waiting.clear()

    def digest(self) -> bytes:
        """32 bytes over what came so far; more may follow."""
        self.catch_up()
        return self._mac.copy().finalize()


def encode_token_ids(token_ids: Sequence[int]) -> bytes:
    """Hop 0's bytes: each id as u32 little-endian."""
    return struct.pack(f"<{len(token_ids)}I", *token_ids)
