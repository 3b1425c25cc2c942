# SPDX-License-Identifier: Apache-2.0
"""Finds the certificate, among candidates, that signed a piece of collateral."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID


def signer_of(text: bytes, signature: bytes, candidates: Iterable[bytes], at: int) -> bytes | None:
    """DER of a certificate whose key made the P-256 signature (r ‖ s) over `text`.

    If several have that key (Intel renews certificates), one that is valid at `at`.
    """
    if len(signature) != 64:
        return None
    r, s = (int.from_bytes(signature[start : start + 32], "big") for start in (0, 32))
    found = [
        der
        for der in _distinct(candidates)
        if _verifies(_parse_or_none(der), encode_dss_signature(r, s), text)
    ]
    return _preferred(found, at)


def issuer_of_crl(crl_der: bytes, candidates: Iterable[bytes], at: int) -> bytes | None:
    """DER of the certificate whose key signed the CRL, else of one with its issuer's name."""
    try:
        crl = x509.load_der_x509_crl(crl_der)
        named = [der for der in _distinct(candidates) if _subject(der) == crl.issuer]
        text = crl.tbs_certlist_bytes
        signed = [der for der in named if _verifies(_parse_or_none(der), crl.signature, text)]
    except ValueError:
        return None
    return _preferred(signed or named, at)


def issuer_of(der: bytes, candidates: Iterable[bytes]) -> bytes | None:
    """DER of the first candidate that this certificate names as issuer and whose key signed it."""
    certificate = _parse_or_none(der)
    if certificate is None:
        return None
    for candidate in _distinct(candidates):
        issuer = _parse_or_none(candidate)
        try:
            if issuer is not None:
                certificate.verify_directly_issued_by(issuer)
                return candidate
        except (InvalidSignature, ValueError, TypeError):
            continue
    return None


def common_name(der: bytes) -> str:
    """The subject's common name; empty if it has none."""
    subject = _subject(der)
    names = [] if subject is None else subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _verifies(certificate: x509.Certificate | None, signature: bytes, text: bytes) -> bool:
    key = None if certificate is None else certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, text, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _preferred(found: Sequence[bytes], at: int) -> bytes | None:
    """The first that is valid at `at`, else the first."""
    valid = (der for der in found if _is_valid_at(der, at))
    return next(valid, found[0] if found else None)


def _is_valid_at(der: bytes, at: int) -> bool:
    certificate = _parse_or_none(der)
    if certificate is None:
        return False
    try:
        time = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return False
    return certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc


def _distinct(candidates: Iterable[bytes]) -> list[bytes]:
    return list(dict.fromkeys(candidates))


def _subject(der: bytes) -> x509.Name | None:
    certificate = _parse_or_none(der)
    try:
        return None if certificate is None else certificate.subject
    except ValueError:
        return None


def _parse_or_none(der: bytes) -> x509.Certificate | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
    except Exception:  # noqa: BLE001 - hostile bytes: any error means that it is no certificate
        return None
    return certificate
