# SPDX-License-Identifier: Apache-2.0
"""What a PCK certificate says about its machine, in Intel's extension 1.2.840.113741.1.13.1.

Source: Intel, SGX PCK Certificate and Certificate Revocation List Profile Specification.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from teetee.quotes.certificates.der import SEQUENCE, der_items, named_values
from teetee.quotes.errors import CertificateMalformed

SGX_EXTENSION: Final = ObjectIdentifier("1.2.840.113741.1.13.1")
SGX_TYPES: Final = ("standard", "scalable", "scalable with integrity")

_PREFIX: Final = bytes.fromhex("2a864886f84d010d01")
_COMPONENTS: Final = 16


@dataclass(frozen=True)
class PckPlatform:
    """One machine with one state of its firmware."""

    subject: str
    issuer: str
    serial: int
    not_before: datetime
    not_after: datetime
    ppid: bytes
    """16 bytes: identifies the machine for its lifetime."""
    component_svns: tuple[int, ...]
    """16 security versions."""
    pce_svn: int
    cpu_svn: bytes
    pce_id: bytes
    fmspc: bytes
    """6 bytes: selects the TCB info that applies."""
    sgx_type: str
    platform_instance: bytes | None
    """16 bytes; None in certificates of the Processor CA."""
    flags: tuple[str, ...]
    """Those of dynamicPlatform, cachedKeys and smtEnabled that are true."""

    @classmethod
    def parse(cls, leaf_der: bytes) -> Self:
        """From a PCK leaf in DER. Raises `CertificateMalformed`."""
        try:
            certificate = x509.load_der_x509_certificate(leaf_der)
            extension = certificate.extensions.get_extension_for_oid(SGX_EXTENSION).value
            values = _values(extension.public_bytes())
            tcb = _values_of(values[b"\x02"][1])
            configuration = _values_of(values[b"\x07"][1]) if b"\x07" in values else {}
            return cls(
                subject=_common_name(certificate.subject),
                issuer=_common_name(certificate.issuer),
                serial=certificate.serial_number,
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
                ppid=_sized(values[b"\x01"], 16),
                component_svns=tuple(_number(tcb[bytes([n + 1])]) for n in range(_COMPONENTS)),
                pce_svn=_number(tcb[b"\x11"]),
                cpu_svn=_sized(tcb[b"\x12"], 16),
                pce_id=_sized(values[b"\x03"], 2),
                fmspc=_sized(values[b"\x04"], 6),
                sgx_type=SGX_TYPES[_number(values[b"\x05"])],
                platform_instance=_sized(values[b"\x06"], 16) if b"\x06" in values else None,
                flags=_true_flags(configuration),
            )
        except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.InvalidVersion):
            raise CertificateMalformed("is not a PCK certificate") from None
        except (ValueError, KeyError, IndexError) as error:
            raise CertificateMalformed("has no Intel extension of the known shape") from error


_Values = dict[bytes, tuple[int, bytes]]


def _values(extension: bytes) -> _Values:
    ((tag, content),) = der_items(extension)
    if tag != SEQUENCE:
        raise ValueError("not a sequence")
    return _values_of(content)


def _values_of(content: bytes) -> _Values:
    """Values by the last number of their identifier, which follows Intel's prefix."""
    found: _Values = {}
    for name, tag, value in named_values(content):
        if not name.startswith(_PREFIX) or name[-1:] in found:
            raise ValueError("foreign or repeated name")
        found[name[-1:]] = (tag, value)
    return found


def _sized(value: tuple[int, bytes], size: int) -> bytes:
    if len(value[1]) != size:
        raise ValueError("of another length")
    return value[1]


def _number(value: tuple[int, bytes]) -> int:
    number = int.from_bytes(value[1], "big", signed=True)
    if not value[1] or number < 0:
        raise ValueError("not a count")
    return number


def _true_flags(configuration: _Values) -> tuple[str, ...]:
    names = ((b"\x01", "dynamic platform"), (b"\x02", "cached keys"), (b"\x03", "SMT enabled"))
    return tuple(name for key, name in names if configuration.get(key, (1, b"\x00"))[1] != b"\x00")


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
