# SPDX-License-Identifier: Apache-2.0
"""PCK chains: PEM to DER and back, and the ids by which contracts know certificates."""

import base64
import re
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier
from eth_utils.crypto import keccak

from teetee.quotes.errors import CertificateMalformed, CertificateUnreadable

CHAIN_LENGTH: Final = 3
_MAX_FILE_BYTES: Final = 1 << 16

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_PEM = re.compile(f"^{_BEGIN}\\s(.*?)^{_END}", re.DOTALL | re.MULTILINE)
# Not str.split: it treats control characters as whitespace too.
_WITHOUT_SPACE = str.maketrans("", "", " \t\r\n")
_SGX_EXTENSION = ObjectIdentifier("1.2.840.113741.1.13.1")
# SEQUENCE header (4 bytes), then SEQUENCE { OID 1.2.840.113741.1.13.1.1, OCTET STRING (16) }
_PPID_FIELD = bytes.fromhex("301e060a2a864886f84d010d01010410")
_PPID_OFFSET, _PPID_BYTES = 4, 16


def chain_from_pem(pem: bytes) -> tuple[bytes, bytes, bytes]:
    """Leaf, authority and root in DER. Raises `CertificateMalformed` unless there are exactly
    three."""
    parts = certificates_from_pem(pem)
    text = pem.rstrip(b"\x00").decode("latin-1")
    if len(parts) != CHAIN_LENGTH or _PEM.sub("", text).strip():
        raise CertificateMalformed(f"chain is not {CHAIN_LENGTH} certificates and nothing else")
    leaf, authority, root = parts
    return leaf, authority, root


def certificates_from_pem(pem: bytes) -> list[bytes]:
    """DER of each certificate in a text; ignores text between them.

    Raises `CertificateMalformed` if any of them is damaged.
    """
    text = pem.rstrip(b"\x00").decode("latin-1")
    bodies = _PEM.findall(text)
    if not len(bodies) == text.count("-----BEGIN") == text.count("-----END"):
        raise CertificateMalformed("is not PEM")
    try:
        return [_decoded(body.translate(_WITHOUT_SPACE)) for body in bodies]
    except ValueError as error:
        raise CertificateMalformed("is not PEM") from error


def _decoded(text: str) -> bytes:
    der = base64.b64decode(text, validate=True)
    # Python ignores what follows the padding.
    if base64.b64encode(der).decode("ascii") != text:
        raise ValueError("not canonical")
    return der


def to_pem_chain(*ders: bytes) -> bytes:
    """Certificates as PEM with lines of 64 characters, as Intel writes them."""
    return "".join(to_pem(der) for der in ders).encode("ascii")


def to_pem(der: bytes) -> str:
    """One certificate as PEM. Raises `CertificateMalformed` unless `der` is one."""
    parse_certificate(der)
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join((_BEGIN, *lines, _END, ""))


def parse_certificate(der: bytes) -> x509.Certificate:
    """From DER. Raises `CertificateMalformed`."""
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise CertificateMalformed("is not X.509 in DER") from error


def certificate_id(der: bytes) -> bytes:
    """keccak256(tbsCertificate): the `pckId` of a leaf, the `authorityId` of an authority."""
    return keccak(parse_certificate(der).tbs_certificate_bytes)


def platform_id(leaf_der: bytes) -> bytes:
    """keccak256(PPID): the contracts' name for the machine. Raises `CertificateMalformed` for other
    leaves."""
    extension = sgx_extension(leaf_der)
    start = _PPID_OFFSET + len(_PPID_FIELD)
    ppid = extension[start : start + _PPID_BYTES]
    if extension[_PPID_OFFSET:start] != _PPID_FIELD or len(ppid) != _PPID_BYTES:
        raise CertificateMalformed("does not begin with the machine's PPID")
    return keccak(ppid)


def sgx_extension(leaf_der: bytes) -> bytes:
    """The DER of Intel's extension. Raises `CertificateMalformed` for other leaves."""
    try:
        extension = (
            parse_certificate(leaf_der).extensions.get_extension_for_oid(_SGX_EXTENSION).value
        )
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise CertificateMalformed("is not a PCK certificate") from error
    if not isinstance(extension, x509.UnrecognizedExtension):
        raise CertificateMalformed("is not a PCK certificate")
    return extension.value


def read_certificate(path: Path) -> bytes:
    """DER of the one certificate in a file, DER or PEM. Raises `CertificateUnreadable`."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES)
        if content.lstrip().startswith(_BEGIN.encode()):
            certificate = x509.load_pem_x509_certificate(content)
        else:
            certificate = x509.load_der_x509_certificate(content)
        return certificate.public_bytes(Encoding.DER)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CertificateUnreadable(str(path), reason) from None
    except (ValueError, x509.InvalidVersion):
        raise CertificateUnreadable(str(path), "it is neither DER nor PEM") from None
