# SPDX-License-Identifier: Apache-2.0
"""secp256k1 signatures in the compact form of EIP-2098, which the contracts use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_typing import Hash32
from eth_utils.exceptions import ValidationError

from teetee.errors import SignatureInvalid

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_PARITY_BIT = 1 << 255


@dataclass(frozen=True, slots=True)
class CompactSignature:
    """`r` and `vs`, 32 bytes each. The top bit of `vs` is the parity of R, the rest is a low s."""

    r: bytes
    vs: bytes

    def __post_init__(self) -> None:
        if len(self.r) != 32 or len(self.vs) != 32:
            raise SignatureInvalid("must have an r and a vs of 32 bytes each")

    def to_bytes(self) -> bytes:
        """`r ‖ vs`, 64 bytes."""
        return self.r + self.vs

    @classmethod
    def from_bytes(cls, signature: bytes) -> CompactSignature:
        """From `r ‖ vs`. Raises `SignatureInvalid` unless it has 64 bytes."""
        return cls(signature[:32], signature[32:])

    def to_rsv(self) -> bytes:
        """`r ‖ s ‖ v` with v 27 or 28, 65 bytes: the form that contract libraries accept."""
        parity, s = divmod(int.from_bytes(self.vs), _PARITY_BIT)
        return self.r + s.to_bytes(32) + bytes([27 + parity])

    def recover(self, digest: bytes) -> str:
        """The checksummed address that signed the 32-byte `digest`.

        A wrong digest gives a wrong address, not an error: compare the result with the expected
        signer. Raises `SignatureInvalid` if no address can be recovered, or if s is high, because
        then a second valid form exists.
        """
        r = int.from_bytes(self.r)
        parity, s = divmod(int.from_bytes(self.vs), _PARITY_BIT)
        if not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
            raise SignatureInvalid("is outside the range of r or of a low s")
        try:
            key = Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(digest)
        except (BadSignature, ValidationError):
            raise SignatureInvalid("belongs to no key") from None
        return str(key.to_checksum_address())


def sign_digest(account: LocalAccount, digest: bytes) -> CompactSignature:
    """Sign a 32-byte digest; deterministic (RFC 6979) and low-s."""
    signed = account.unsafe_sign_hash(Hash32(digest))
    parity = signed.v - 27
    return CompactSignature(signed.r.to_bytes(32), (parity * _PARITY_BIT + signed.s).to_bytes(32))
