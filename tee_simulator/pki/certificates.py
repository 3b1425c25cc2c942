# SPDX-License-Identifier: Apache-2.0
"""Certificates and CRLs like Intel's: same fields, same order, same encodings, other names.

`cryptography` encodes names as UTF8String and the country as PrintableString, as Intel does, and
writes extensions in the given order.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tee_simulator.pki import pck_extension
from tee_simulator.pki.pck_extension import PlatformIdentity

ROOT_CRL_URL = "https://simulated.invalid/SimulatedSGXRootCA.der"
PCK_CRL_URL = "https://simulated.invalid/sgx/certification/v4/pckcrl?ca=platform&encoding=der"


@dataclass(frozen=True, repr=False)
class Authority:
    """A certificate and the key that it certifies."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    def __repr__(self) -> str:
        return f"Authority({self.certificate.subject.rfc4514_string()})"


def name(common_name: str) -> x509.Name:
    """Intel's five fields in Intel's order. dcap-qvl looks for "Platform" in a leaf's issuer."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Not Intel Corporation"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "Simulated"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "CA"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        ]
    )


def self_signed(
    subject: str, key: ec.EllipticCurvePrivateKey, window: tuple[datetime, datetime]
) -> Authority:
    """A root that can have one level of authorities below it."""
    builder = _builder(name(subject), name(subject), key.public_key(), window)
    builder = _extended(builder, key.public_key(), key.public_key(), ROOT_CRL_URL, path_length=1)
    return Authority(builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True), key)


def issued(
    issuer: Authority,
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    window: tuple[datetime, datetime],
    *,
    path_length: int | None,
) -> Authority:
    """A certificate directly below the root. path_length: None if it must not sign certificates."""
    public = key.public_key()
    builder = _builder(name(subject), issuer.certificate.subject, public, window)
    builder = _extended(builder, public, issuer.key.public_key(), ROOT_CRL_URL, path_length)
    return Authority(builder.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True), key)


def pck_leaf(
    issuer: Authority,
    public: ec.EllipticCurvePublicKey,
    identity: PlatformIdentity,
    window: tuple[datetime, datetime],
) -> x509.Certificate:
    """The certificate of one machine's provisioning certification key."""
    subject = name("SIMULATED SGX PCK Certificate")
    builder = _builder(subject, issuer.certificate.subject, public, window)
    builder = _extended(builder, public, issuer.key.public_key(), PCK_CRL_URL, None)
    oid = x509.ObjectIdentifier(pck_extension.SGX_EXTENSION)
    content = x509.UnrecognizedExtension(oid, pck_extension.encode(identity))
    builder = builder.add_extension(content, critical=False)
    return builder.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True)


def revocation_list(
    issuer: Authority, window: tuple[datetime, datetime], serials: Iterable[int] = ()
) -> bytes:
    """A CRL in DER. Its number is always 1, like Intel's: thisUpdate orders CRLs."""
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(window[0])
        .next_update(window[1])
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(authority, critical=False)
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(window[0])
        reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
        entry = entry.add_extension(reason, critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    signed = builder.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(Encoding.DER)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    window: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(_serial(public))
        .not_valid_before(window[0])
        .not_valid_after(window[1])
    )


def _extended(
    builder: x509.CertificateBuilder,
    public: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    crl_url: str,
    path_length: int | None,
) -> x509.CertificateBuilder:
    is_authority = path_length is not None
    distribution = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(crl_url)],
        relative_name=None,
        reasons=None,
        crl_issuer=None,
    )
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
        .add_extension(x509.CRLDistributionPoints([distribution]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.BasicConstraints(is_authority, path_length), critical=True)
    )


def _serial(public: ec.EllipticCurvePublicKey) -> int:
    """A positive serial number of 20 bytes, like Intel's, determined by the key."""
    point = public.public_numbers()
    digest = hashlib.sha256(b"serial" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big"))
    return int.from_bytes(digest.digest()[:20], "big") >> 1 | 1 << 158
