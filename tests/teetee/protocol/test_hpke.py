# SPDX-License-Identifier: Apache-2.0
"""The library implements the HPKE of RFC 9180.

given a second implementation, of the RFC's formulas over X25519, HMAC and AES-GCM
    when it decrypts the RFC's own test vector
        it should find the RFC's plaintext
    when it and the library seal for each other, in the suite of the protocol
        each should open the other's ciphertext
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tests.teetee.requests import kem

LIBRARY = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
KEM_SUITE = b"KEM" + (0x20).to_bytes(2)


@dataclass(frozen=True)
class Reference:
    """Base mode, single shot; RFC 9180 sections 4 and 5."""

    aead_id: int
    key_bytes: int

    @property
    def suite(self) -> bytes:
        return b"HPKE" + b"".join(part.to_bytes(2) for part in (0x20, 1, self.aead_id))

    def key_and_nonce(self, shared: bytes, info: bytes) -> tuple[bytes, bytes]:
        id_hash = extract(self.suite, b"", b"psk_id_hash", b"")
        info_hash = extract(self.suite, b"", b"info_hash", info)
        context = b"\0" + id_hash + info_hash
        secret = extract(self.suite, shared, b"secret", b"")
        key = expand(self.suite, secret, b"key", context, self.key_bytes)
        return key, expand(self.suite, secret, b"base_nonce", context, 12)

    def open(
        self, enc: bytes, ciphertext: bytes, private: X25519PrivateKey, info: bytes, aad: bytes
    ) -> bytes:
        point = private.exchange(X25519PublicKey.from_public_bytes(enc))
        shared = shared_secret(point, enc, private.public_key().public_bytes_raw())
        key, nonce = self.key_and_nonce(shared, info)
        return AESGCM(key).decrypt(nonce, ciphertext, aad)

    def seal(self, plaintext: bytes, public: bytes, info: bytes) -> bytes:
        ephemeral = X25519PrivateKey.generate()
        enc = ephemeral.public_key().public_bytes_raw()
        point = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
        key, nonce = self.key_and_nonce(shared_secret(point, enc, public), info)
        return enc + AESGCM(key).encrypt(nonce, plaintext, b"")


def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, sha256)


def expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labeled = length.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labeled + b"\x01", sha256)[:length]


def shared_secret(point: bytes, enc: bytes, public: bytes) -> bytes:
    secret = extract(KEM_SUITE, b"", b"eae_prk", point)
    return expand(KEM_SUITE, secret, b"shared_secret", enc + public, 32)


AES_256 = Reference(aead_id=2, key_bytes=32)


def test_reference__vector_of_the_rfc__gives_its_plaintext() -> None:
    """RFC 9180, appendix A.1.1.1, sequence number 0: the same suite with AES-128-GCM."""
    private = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
    )
    plaintext = Reference(aead_id=1, key_bytes=16).open(
        bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
        bytes.fromhex(
            "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9"
            "6d8770ac83d07bea87e13c512a"
        ),
        private,
        bytes.fromhex("4f6465206f6e2061204772656369616e2055726e"),
        b"Count-0",
    )
    assert plaintext == b"Beauty is truth, truth beauty"


def test_library__what_the_reference_sealed__opens() -> None:
    sealed = AES_256.seal(b"k" * 32, kem().public_key().public_bytes_raw(), b"info")
    assert LIBRARY.decrypt(sealed, kem(), info=b"info") == b"k" * 32


def test_reference__what_the_library_sealed__opens() -> None:
    sealed = LIBRARY.encrypt(b"k" * 32, kem().public_key(), info=b"info")
    assert AES_256.open(sealed[:32], sealed[32:], kem(), b"info", b"") == b"k" * 32


def test_library__other_info__does_not_open() -> None:
    sealed = LIBRARY.encrypt(b"k" * 32, kem().public_key(), info=b"info")
    with pytest.raises(InvalidTag):
        LIBRARY.decrypt(sealed, kem(), info=b"other")
