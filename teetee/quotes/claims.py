"""How the chain names a quote: by the hash of everything in it that may turn from good to bad in time.

docs/protocol.md section 3. With the claims at hand anyone has a contract assess the quote anew,
without its signatures.
"""

import struct
from dataclasses import dataclass
from typing import Self

from eth_utils.crypto import keccak

from teetee.quotes.quote import Quote

# in the QE's report, Intel's sgx_report.h
_MISC_SELECT, _ATTRIBUTES, _MR_SIGNER, _PRODUCT = 16, 48, 128, 256


@dataclass(frozen=True)
class PckFacts:
    """What a contract keeps of a PCK certificate; contracts/attestation/IPckCertificates.sol."""

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
    """Counted from 1 in the order in which the contract met them."""
    ends_at: int
    """Unix second at which the first of leaf, authority and root ends."""


@dataclass(frozen=True)
class QuoteClaims:
    """Eight words; their parts are in contracts/types/VerifiedQuote.sol."""

    core_hash: bytes
    measurement: bytes
    platform_id: bytes
    qe_signer: bytes
    qe_and_end: bytes
    svns: bytes
    pck: bytes
    td: bytes

    @classmethod
    def of(cls, core: bytes, pck: PckFacts) -> Self:
        """Of a quote core and the PCK certificate it is verified with. Raises `QuoteMalformed`."""
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
            + pck.ends_at.to_bytes(5, "big"),
            svns=pck.component_svns + report.tee_tcb_svn,
            pck=pck.serial.to_bytes(20, "big")
            + pck.fmspc
            + pck.pce_id
            + struct.pack(">HH", pck.pce_svn, pck.authority_index),
            td=report.tee_tcb_svn_2 + report.td_attributes + report.xfam,
        )

    def as_solidity(self) -> tuple[bytes, ...]:
        """The words, in order."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def quote_hash(self) -> bytes:
        """keccak256(abi.encode(claims)), 32 bytes."""
        return keccak(b"".join(self.as_solidity()))


def quote_hash(core: bytes, pck: PckFacts) -> bytes:
    """How the chain names that quote. Raises `QuoteMalformed`."""
    return QuoteClaims.of(core, pck).quote_hash()
