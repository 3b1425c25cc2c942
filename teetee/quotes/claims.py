# SPDX-License-Identifier: Apache-2.0
"""A quote's claims: everything about it whose assessment can change over time, and their hash, by
which the chain names the quote.

docs/protocol.md section 3. Given the claims, anyone can have a contract assess the quote again
without its signatures.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

from eth_utils.crypto import keccak

from teetee.quotes.certificates.pck_chain import (
    parse_certificate,
    platform_id,
    sgx_extension,
)
from teetee.quotes.errors import CertificateMalformed
from teetee.quotes.quote import Quote

# offsets in the QE's report: Intel's sgx_report.h
_MISC_SELECT, _ATTRIBUTES, _MR_SIGNER, _PRODUCT = 16, 48, 128, 256

_SGX_OID: Final = bytes.fromhex("2a864886f84d010d01")


@dataclass(frozen=True)
class PckRecord:
    """The fields of a PCK certificate that a contract stores (`IPckCertificates.sol`)."""

    platform_id: bytes
    """keccak256(PPID)."""
    component_svns: bytes
    """16 bytes."""
    serial: int
    fmspc: bytes
    """6 bytes."""
    pce_id: bytes
    """2 bytes."""
    pce_svn: int
    authority_index: int
    """Counted from 1 in the order in which they were added to the contract."""
    expires_at: int
    """Unix second at which the first of leaf, authority and root expires."""


@dataclass(frozen=True)
class QuoteClaims:
    """Eight 32-byte words; contracts/types/VerifiedQuote.sol says what is in each."""

    core_hash: bytes
    measurement: bytes
    platform_id: bytes
    qe_signer: bytes
    qe_and_end: bytes
    svns: bytes
    pck: bytes
    td: bytes

    @classmethod
    def from_core(cls, core: bytes, pck: PckRecord) -> Self:
        """From a quote core and its PCK certificate. Raises `QuoteMalformed`."""
        quote = Quote.from_core(core, b"")
        report, qe = quote.report, quote.qe_report
        product, svn = struct.unpack_from("<HH", qe, _PRODUCT)
        attributes, misc = (
            qe[_ATTRIBUTES : _ATTRIBUTES + 16],
            qe[_MISC_SELECT : _MISC_SELECT + 4],
        )
        return cls(
            core_hash=keccak(core),
            measurement=report.measurement,
            platform_id=pck.platform_id,
            qe_signer=qe[_MR_SIGNER : _MR_SIGNER + 32],
            qe_and_end=attributes
            + misc
            + struct.pack(">HH3x", product, svn)
            + pck.expires_at.to_bytes(5, "big"),
            svns=pck.component_svns + report.tee_tcb_svn,
            pck=pck.serial.to_bytes(20, "big")
            + pck.fmspc
            + pck.pce_id
            + struct.pack(">HH", pck.pce_svn, pck.authority_index),
            td=report.tee_tcb_svn_2 + report.td_attributes + report.xfam,
        )

    @property
    def fmspc(self) -> bytes:
        """Which TCB info applies to the platform, 6 bytes."""
        return self.pck[20:26]

    @property
    def pce_id(self) -> bytes:
        """Of the platform, 2 bytes."""
        return self.pck[26:28]

    def to_abi(self) -> tuple[bytes, ...]:
        """As the contracts take it: the words, in order."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def quote_hash(self) -> bytes:
        """keccak256(abi.encode(claims)), 32 bytes."""
        return keccak(b"".join(self.to_abi()))


def pck_record(leaf: bytes, authority: bytes, root: bytes, *, index: int) -> PckRecord:
    """What a contract stores for this chain (DER), whose authority was the `index`-th one added.

    Raises `CertificateMalformed`.
    """
    extension = sgx_extension(leaf)
    certificates = [parse_certificate(der) for der in (leaf, authority, root)]
    serial = certificates[0].serial_number
    expires_at = int(min(each.not_valid_after_utc for each in certificates).timestamp())
    for value, size, what in ((serial, 20, "serial number"), (expires_at, 5, "time of expiry")):
        if not 0 <= value < 1 << 8 * size:
            raise CertificateMalformed(f"has a {what} of more than {size} bytes, or below 0")
    return PckRecord(
        platform_id=platform_id(leaf),
        component_svns=bytes(
            _number(extension, f"02{component:02x}", 1) for component in range(1, 17)
        ),
        serial=serial,
        fmspc=_value(extension, "04", 6),
        pce_id=_value(extension, "03", 2),
        pce_svn=_number(extension, "0211", 2),
        authority_index=index,
        expires_at=expires_at,
    )


def _value(extension: bytes, suffix: str, size: int | None = None) -> bytes:
    """The value with OID 1.2.840.113741.1.13.1.<suffix>, of `size` bytes or of any number."""
    oid = _SGX_OID + bytes.fromhex(suffix)
    start = extension.find(bytes([0x06, len(oid)]) + oid)
    if start < 0:
        raise CertificateMalformed(f"has no field {suffix} in Intel's extension")
    length_at = start + 2 + len(oid) + 1
    length, value = extension[length_at : length_at + 1], extension[length_at + 1 :]
    found = value[: int.from_bytes(length)]
    if len(found) != (int.from_bytes(length) if size is None else size):
        raise CertificateMalformed(f"has a field {suffix} of another length")
    return found


def _number(extension: bytes, suffix: str, size: int) -> int:
    """Below 2^(8 · size)."""
    number = int.from_bytes(_value(extension, suffix), "big")
    if number >= 1 << 8 * size:
        raise CertificateMalformed(f"has a field {suffix} of more than {size} bytes")
    return number


def quote_hash(core: bytes, pck: PckRecord) -> bytes:
    """The chain's name for the quote, 32 bytes. Raises `QuoteMalformed`."""
    return QuoteClaims.from_core(core, pck).quote_hash()
