# SPDX-License-Identifier: Apache-2.0
"""An enclave's keys, made from the operating system's randomness. docs/protocol.md section 3.

Only the enclave's own code ever has them: no guest agent, key provider or KMS takes part, because
the host chooses those. `key_file` keeps them in the machine's memory over a restart of the process.
Private keys never leave the machine; only `keyset` and the certificate do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_utils.exceptions import ValidationError

from teetee.errors import KeyInvalid
from teetee.protocol.keyset import Keyset
from teetee.protocol.sealing.key import SealingPrivateKey

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

SECRET_BYTES = 32
"""Of each private key."""

_CERTIFICATE_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TeeTee enclave")])
# Peers check the key and its status on chain; the certificate only carries the key and never
# changes.
_CERTIFICATE_SERIAL = 1
_CERTIFICATE_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_CERTIFICATE_UNTIL = datetime(
    9999, 12, 31, 23, 59, 59, tzinfo=UTC
)  # RFC 5280's "no expiration date"


@dataclass(frozen=True, slots=True)
class KeySecrets:
    """The private keys as 32 bytes each: a secp256k1 scalar, two seeds (sealing, Ed25519)."""

    signer: bytes = field(repr=False)
    kem: bytes = field(repr=False)
    tls: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> KeySecrets:
        """New ones. A random signer is outside the curve's order with probability 2^-128."""
        return cls(os.urandom(SECRET_BYTES), os.urandom(SECRET_BYTES), os.urandom(SECRET_BYTES))


@dataclass(frozen=True, slots=True)
class EnclaveKeys:
    """Private keys and their public parts. The repr shows only the public keys."""

    signer: LocalAccount = field(repr=False)
    kem: SealingPrivateKey = field(repr=False)
    tls: Ed25519PrivateKey = field(repr=False)
    keyset: Keyset
    tls_certificate_der: bytes = field(repr=False)

    @classmethod
    def from_secrets(cls, secrets: KeySecrets) -> EnclaveKeys:
        """The keys, their public parts and the certificate. Raises `KeyInvalid`."""
        signer = _signer(secrets.signer)
        kem = SealingPrivateKey.from_seed(_checked("mlkem768-x25519", secrets.kem))
        tls = Ed25519PrivateKey.from_private_bytes(_checked("ed25519", secrets.tls))
        keyset = Keyset(
            signer=str(signer.address),
            kem=kem.public_key.digest,
            tls=tls_fingerprint(tls.public_key()),
        )
        return cls(signer, kem, tls, keyset, _certificate(tls).public_bytes(Encoding.DER))


def tls_fingerprint(key: Ed25519PublicKey) -> bytes:
    """`tls` of a keyset: SHA-256 of the SubjectPublicKeyInfo, 32 bytes."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def certificate_fingerprint(certificate_der: bytes) -> bytes:
    """The `tls` fingerprint of a certificate's key, 32 bytes. Raises `KeyInvalid` unless it is an
    Ed25519 key.
    """
    try:
        key = x509.load_der_x509_certificate(certificate_der).public_key()
    except ValueError:
        raise KeyInvalid("a TLS certificate", "cannot be read") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyInvalid("a TLS certificate", "is not of type Ed25519")
    return tls_fingerprint(key)


def _signer(secret: bytes) -> LocalAccount:
    from eth_account import Account  # half a second, and callers of the fingerprints need none

    try:
        account: LocalAccount = Account.from_key(_checked("secp256k1", secret))
    except (ValidationError, ValueError):
        raise KeyInvalid("secp256k1", "is not a scalar of the curve") from None
    return account


def _checked(algorithm: str, secret: bytes) -> bytes:
    if len(secret) != SECRET_BYTES:
        raise KeyInvalid(algorithm, f"must have {SECRET_BYTES} bytes")
    return secret


def _certificate(key: Ed25519PrivateKey) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(_CERTIFICATE_NAME)
        .issuer_name(_CERTIFICATE_NAME)
        .public_key(key.public_key())
        .serial_number(_CERTIFICATE_SERIAL)
        .not_valid_before(_CERTIFICATE_FROM)
        .not_valid_after(_CERTIFICATE_UNTIL)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, algorithm=None)  # Ed25519 is deterministic and includes its hash
    )
