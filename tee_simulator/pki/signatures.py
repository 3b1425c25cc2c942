# SPDX-License-Identifier: Apache-2.0
"""Signatures as raw bytes: P-256 for quotes and collateral, recoverable secp256k1 for dstack's key
chains.

All are deterministic (RFC 6979), so an identity gives the same signatures after a restart.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def p256_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """A P-256 key from 48 uniform bytes: 128 bits more than the order, so that the reduction is
    unbiased."""
    return ec.derive_private_key(
        int.from_bytes(seed, "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1()
    )


def sign_p256(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """r ‖ s, 32 bytes each, over SHA-256 of the message. s is not normalised, as in Intel's
    signatures."""
    der = key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def point_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """x ‖ y of the public key, 32 bytes each."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def secp256k1_public(scalar: bytes) -> bytes:
    """The public key in 33 compressed bytes."""
    key = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256K1())
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def sign_secp256k1(scalar: bytes, digest: bytes) -> bytes:
    """r ‖ low s ‖ recovery id (0 to 3): 65 bytes over a 32-byte digest, like Rust's k256."""
    order, d, z = _SECP256K1_ORDER, int.from_bytes(scalar, "big"), int.from_bytes(digest, "big")
    k = _nonce(scalar, digest)
    point = ec.derive_private_key(k, ec.SECP256K1()).public_key().public_numbers()
    r = point.x % order
    s = pow(k, -1, order) * (z + r * d) % order
    # r = 0 or s = 0 has probability 2^-256.
    recovery = point.y & 1 | (2 if point.x >= order else 0)
    if s > order // 2:
        s, recovery = order - s, recovery ^ 1
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([recovery])


def verify_secp256k1(public: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether r ‖ s (64 bytes; low s only, like k256) signs the digest. Raises ValueError if
    `public` is not a key.
    """
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or s > _SECP256K1_ORDER // 2:
        return False
    try:
        key.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


def _nonce(scalar: bytes, digest: bytes) -> int:
    """RFC 6979 section 3.2 with HMAC-SHA256; order and hash both have 256 bits."""
    reduced = (int.from_bytes(digest, "big") % _SECP256K1_ORDER).to_bytes(32, "big")
    v, key = b"\x01" * 32, b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        key = _hmac(key, v + separator + scalar + reduced)
        v = _hmac(key, v)
    while True:
        v = _hmac(key, v)
        k = int.from_bytes(v, "big")
        if 0 < k < _SECP256K1_ORDER:
            return k
        key = _hmac(key, v + b"\x00")
        v = _hmac(key, v)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
