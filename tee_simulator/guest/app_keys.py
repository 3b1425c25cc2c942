# SPDX-License-Identifier: Apache-2.0
"""dstack's key derivation and key chains, as its KMS and guest agent compute them.

Source: dstack kms/src/crypto.rs, ra-tls/src/kdf.rs, guest-agent/src/rpc_service.rs.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tee_simulator.errors import CallInvalid
from tee_simulator.pki.keccak import keccak256
from tee_simulator.pki.signatures import secp256k1_public, sign_secp256k1, verify_secp256k1

ED25519, SECP256K1, SECP256K1_PREHASHED = "ed25519", "secp256k1", "secp256k1_prehashed"

SIGNING_PATH, SIGNING_PURPOSE = "vms", "signing"
"""The path of the key that `/Sign` uses."""


def derive(key: bytes, *context: bytes, size: int = 32) -> bytes:
    """HKDF-SHA256 with salt "RATLS" over the concatenated context parts."""
    return HKDF(hashes.SHA256(), size, b"RATLS", b"".join(context)).derive(key)


@dataclass(frozen=True, repr=False)
class AppKeys:
    """The app's root key (a secp256k1 scalar) and the KMS's signature over its public key (65
    bytes)."""

    root: bytes
    kms_signature: bytes

    @classmethod
    def from_kms(cls, kms_key: bytes, app_id: bytes) -> Self:
        """The keys that a KMS with that root key (32 bytes) gives to the app (20 bytes)."""
        root = derive(kms_key, app_id, b"app-key")
        message = b"dstack-kms-issued:" + app_id + secp256k1_public(root)
        return cls(root, sign_secp256k1(kms_key, keccak256(message)))

    def get_key(self, path: str) -> bytes:
        """The key of a path, 32 bytes. Purpose and algorithm do not affect it."""
        return derive(self.root, path.encode())

    def chain(self, key: bytes, purpose: str, algorithm: str) -> list[bytes]:
        """The app's signature over `purpose:public key`, then the KMS's over the app's key."""
        public = public_bytes(key, algorithm).hex()
        digest = keccak256(f"{purpose}:{public}".encode())
        return [sign_secp256k1(self.root, digest), self.kms_signature]

    def sign(self, data: bytes, algorithm: str) -> tuple[bytes, list[bytes], bytes]:
        """The signature by the app's signing key, the chain from it to the KMS, the public key."""
        key = self.get_key(SIGNING_PATH)
        if algorithm == ED25519:
            signature = Ed25519PrivateKey.from_private_bytes(key).sign(data)
        else:
            signature = sign_secp256k1(key, _digest(data, algorithm))[:64]
        of_key = SECP256K1 if algorithm == SECP256K1_PREHASHED else algorithm
        chain = [signature, *self.chain(key, SIGNING_PURPOSE, of_key)]
        return signature, chain, public_bytes(key, of_key)

    def __repr__(self) -> str:
        return f"AppKeys(public={secp256k1_public(self.root).hex()})"


def canonical_algorithm(algorithm: str) -> str:
    """The algorithm's canonical name: dstack accepts "k256" and "" for secp256k1."""
    return SECP256K1 if algorithm in ("", "k256") else algorithm


def public_bytes(key: bytes, algorithm: str) -> bytes:
    """32 bytes for Ed25519, 33 (compressed) for secp256k1."""
    if algorithm == ED25519:
        public = Ed25519PrivateKey.from_private_bytes(key).public_key()
        return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    if algorithm == SECP256K1:
        return secp256k1_public(key)
    raise CallInvalid("Unsupported algorithm")


def verify(data: bytes, signature: bytes, public: bytes, algorithm: str) -> bool:
    """Whether the signature is valid. Raises `CallInvalid` if algorithm or key are invalid."""
    if algorithm not in (ED25519, SECP256K1, SECP256K1_PREHASHED):
        raise CallInvalid("Unsupported algorithm")
    try:
        if algorithm == ED25519:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
            return True
        return verify_secp256k1(public, _digest(data, algorithm), signature)
    except InvalidSignature:
        return False
    except ValueError as error:
        raise CallInvalid("invalid public key") from error


def _digest(data: bytes, algorithm: str) -> bytes:
    if algorithm == SECP256K1:
        return hashlib.sha256(data).digest()
    if algorithm != SECP256K1_PREHASHED:
        raise CallInvalid("Unsupported algorithm")
    if len(data) != 32:
        raise CallInvalid(
            f"Pre-hashed signing requires a 32-byte digest, but received {len(data)} bytes"
        )
    return data
