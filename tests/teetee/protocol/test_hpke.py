# SPDX-License-Identifier: Apache-2.0
"""The library implements the HPKE of RFC 9180, and X-Wing as its key encapsulation.

given a second implementation: of the RFC's formulas over HMAC and AES-GCM, with X25519 or X-Wing
    when it decrypts the RFC's own test vector
        it should find the RFC's plaintext
    when the library seals in the suite of the protocol
        it should open the ciphertext
    when either half of the encapsulation is changed
        it should not open
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha3_256, sha256, shake_256

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from teetee.protocol.sealing.key import SealingPrivateKey

X25519_ID, XWING_ID = 0x20, 0x647A
SEED = b"\x05" * 32
Decapsulate = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Reference:
    """Base mode, single shot; RFC 9180 sections 4 and 5."""

    kem_id: int
    aead_id: int
    key_bytes: int

    @property
    def suite(self) -> bytes:
        return b"HPKE" + b"".join(part.to_bytes(2) for part in (self.kem_id, 1, self.aead_id))

    def open(
        self, enc: bytes, ciphertext: bytes, decapsulate: Decapsulate, info: bytes, aad: bytes = b""
    ) -> bytes:
        id_hash = extract(self.suite, b"", b"psk_id_hash", b"")
        info_hash = extract(self.suite, b"", b"info_hash", info)
        context = b"\0" + id_hash + info_hash
        secret = extract(self.suite, decapsulate(enc), b"secret", b"")
        key = expand(self.suite, secret, b"key", context, self.key_bytes)
        nonce = expand(self.suite, secret, b"base_nonce", context, 12)
        return AESGCM(key).decrypt(nonce, ciphertext, aad)


def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, sha256)


def expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labeled = length.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labeled + b"\x01", sha256)[:length]


def x25519(private: X25519PrivateKey) -> Decapsulate:
    """RFC 9180 section 4.1."""

    def decapsulate(enc: bytes) -> bytes:
        suite = b"KEM" + X25519_ID.to_bytes(2)
        point = private.exchange(X25519PublicKey.from_public_bytes(enc))
        secret = extract(suite, b"", b"eae_prk", point)
        return expand(
            suite, secret, b"shared_secret", enc + private.public_key().public_bytes_raw(), 32
        )

    return decapsulate


def xwing(seed: bytes) -> Decapsulate:
    """draft-connolly-cfrg-xwing-kem section 5."""
    expanded = shake_256(seed).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    private = X25519PrivateKey.from_private_bytes(expanded[64:])

    def decapsulate(enc: bytes) -> bytes:
        first, second = mlkem.decapsulate(enc[:1088]), enc[1088:]
        point = private.exchange(X25519PublicKey.from_public_bytes(second))
        public = private.public_key().public_bytes_raw()
        return sha3_256(first + point + second + public + b"\\.//^\\").digest()

    return decapsulate


PROTOCOL = Reference(kem_id=XWING_ID, aead_id=2, key_bytes=32)


def test_reference__vector_of_the_rfc__gives_its_plaintext() -> None:
    """RFC 9180, appendix A.1.1.1, sequence number 0: X25519 and AES-128-GCM."""
    private = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
    )
    plaintext = Reference(kem_id=X25519_ID, aead_id=1, key_bytes=16).open(
        bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
        bytes.fromhex(
            "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9"
            "6d8770ac83d07bea87e13c512a"
        ),
        x25519(private),
        bytes.fromhex("4f6465206f6e2061204772656369616e2055726e"),
        b"Count-0",
    )
    assert plaintext == b"Beauty is truth, truth beauty"


def test_m8__what_the_library_sealed__opens_by_the_formulas_of_xwing() -> None:
    sealed = SealingPrivateKey.from_seed(SEED).public_key.seal(b"k" * 32, b"info")
    assert PROTOCOL.open(sealed[:1120], sealed[1120:], xwing(SEED), b"info") == b"k" * 32


@pytest.mark.parametrize("position", [0, 1087, 1088, 1119], ids=["first", "mlkem", "x25519", "end"])
def test_m8__either_half_is_changed__does_not_open(position: int) -> None:
    key = SealingPrivateKey.from_seed(SEED)
    sealed = bytearray(key.public_key.seal(b"k" * 32, b"info"))
    sealed[position] ^= 1
    with pytest.raises(InvalidTag):
        key.open(bytes(sealed), b"info")


def test_library__other_info__does_not_open() -> None:
    key = SealingPrivateKey.from_seed(SEED)
    with pytest.raises(InvalidTag):
        key.open(key.public_key.seal(b"k" * 32, b"info"), b"other")
