# SPDX-License-Identifier: Apache-2.0
"""The keys that prompts are sealed to: ML-KEM-768 and X25519 in one, as X-Wing combines them.

An envelope stays on a public chain for ever. It stays closed as long as either of the two holds:
X25519 today, ML-KEM-768 against a quantum computer. docs/protocol.md section 4.

The registry keeps the hash of the public key; the key itself, 1,216 bytes, comes from the entry and
is compared with the hash before use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256, shake_256

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from teetee.errors import KeyInvalid

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 1184 + 32
ENCAPSULATION_BYTES = 1088 + 32
_MLKEM_SEED_BYTES = 64
_MLKEM_KEY_BYTES = 1184
_NAME = "mlkem768-x25519"

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class SealingPublicKey:
    """What a wallet seals to."""

    data: bytes = field(repr=False)
    """ML-KEM-768 encapsulation key 1,184 ‖ X25519 public key 32."""
    _key: MLKEM768X25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def from_bytes(cls, data: bytes) -> SealingPublicKey:
        """Raises `KeyInvalid`."""
        if len(data) != PUBLIC_KEY_BYTES:
            raise KeyInvalid(_NAME, f"must have {PUBLIC_KEY_BYTES} bytes")
        try:
            key = MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(data[:_MLKEM_KEY_BYTES]),
                X25519PublicKey.from_public_bytes(data[_MLKEM_KEY_BYTES:]),
            )
        except ValueError:
            raise KeyInvalid(_NAME, "is not one of ML-KEM-768 and one of X25519") from None
        return cls(data, key)

    @property
    def digest(self) -> bytes:
        """`kem` of a keyset: SHA-256 of the key, 32 bytes."""
        return sha256(self.data).digest()

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """HPKE base mode: encapsulation 1,120 ‖ ciphertext with its tag. Raises `KeyInvalid`."""
        try:
            return _SUITE.encrypt(plaintext, self._key, info=info)
        except ValueError:  # a point of low order
            raise KeyInvalid(_NAME, "cannot be sealed to") from None


@dataclass(frozen=True, slots=True)
class SealingPrivateKey:
    """What an entry opens envelopes with."""

    public_key: SealingPublicKey
    _key: MLKEM768X25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> SealingPrivateKey:
        """From 32 secret bytes, expanded as X-Wing does it. Raises `KeyInvalid`."""
        if len(seed) != SEED_BYTES:
            raise KeyInvalid(_NAME, f"must be made of {SEED_BYTES} bytes")
        expanded = shake_256(seed).digest(_MLKEM_SEED_BYTES + 32)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:])
        data = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return cls(SealingPublicKey.from_bytes(data), MLKEM768X25519PrivateKey(mlkem, x25519))

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """The plaintext. Raises `InvalidTag` and `ValueError`."""
        return _SUITE.decrypt(sealed, self._key, info=info)
