# SPDX-License-Identifier: Apache-2.0
"""The certificates of `/GetTlsKey`: a fresh key below the app's own authority, without a quote."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tee_simulator.errors import CallInvalid

LIFE = timedelta(days=10 * 365)
"""dstack's default."""


@dataclass(frozen=True)
class TlsRequest:
    """The requested content of the certificate."""

    subject: str
    alt_names: tuple[str, ...] = ()
    server: bool = True
    client: bool = False
    not_before: int | None = None
    not_after: int | None = None


def issue(
    app_key: ec.EllipticCurvePrivateKey, request: TlsRequest, now: datetime
) -> tuple[str, list[str]]:
    """A new P-256 key (PKCS#8 PEM) and its chain (PEM, leaf first)."""
    key = ec.generate_private_key(ec.SECP256R1())
    start = _instant(request.not_before, now - timedelta(days=1))
    end = _instant(request.not_after, now + LIFE)
    if start >= end:
        raise CallInvalid("not_before must be earlier than not_after")
    authority = _authority(app_key, now)
    leaf = (
        _builder(
            _name(request.subject or "SIMULATED"), authority.subject, key.public_key(), start, end
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] * request.server
    usages += [ExtendedKeyUsageOID.CLIENT_AUTH] * request.client
    if usages:
        leaf = leaf.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if request.alt_names:
        names = [x509.DNSName(_ascii(name)) for name in request.alt_names]
        leaf = leaf.add_extension(x509.SubjectAlternativeName(names), critical=False)
    chain = [leaf.sign(app_key, hashes.SHA256()), authority]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    return pem, [part.public_bytes(Encoding.PEM).decode("ascii") for part in chain]


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("SIMULATED App Root Cert")
    return (
        _builder(name, name, key.public_key(), now - timedelta(days=1), now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(start).not_valid_after(end)


def _name(common_name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    except ValueError as error:
        raise CallInvalid("the subject is too long for a common name") from error


def _ascii(name: str) -> str:
    if not name.isascii():
        raise CallInvalid("alternative names must be ASCII")
    return name


def _instant(seconds: int | None, default: datetime) -> datetime:
    if seconds is None:
        return default
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise CallInvalid("a validity time is out of range") from error
