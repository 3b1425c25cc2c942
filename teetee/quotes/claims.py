"""How the chain names a quote: by the hash of everything in it that time can turn from good to bad.

docs/protocol.md section 3. With the claims at hand anyone has a contract assess the quote anew,
without its signatures.
"""

import struct
from dataclasses import dataclass
from typing import Final, Self

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from teetee.quotes.quote import Quote

_SOLIDITY: Final = (
    "(bytes32,bytes32,bytes32,bytes32,bytes16,bytes4,uint16,uint16,bytes16,bytes16,bytes8,bytes8)"
)

# in the QE's report, Intel's sgx_report.h
_MISC_SELECT, _ATTRIBUTES, _MR_SIGNER, _PRODUCT = 16, 48, 128, 256


@dataclass(frozen=True)
class QuoteClaims:
    """As contracts/types/VerifiedQuote.sol has it, in that order."""

    core_hash: bytes
    pck_id: bytes
    measurement: bytes
    qe_signer: bytes
    qe_attributes: bytes
    qe_misc_select: bytes
    qe_product: int
    qe_svn: int
    tee_tcb_svn: bytes
    tee_tcb_svn_2: bytes
    td_attributes: bytes
    xfam: bytes

    @classmethod
    def of(cls, core: bytes, pck_id: bytes) -> Self:
        """Of a quote core and the PCK certificate it is verified with. Raises `QuoteMalformed`."""
        quote = Quote.from_core(core, b"")
        report, qe = quote.report, quote.qe_report
        product, svn = struct.unpack_from("<HH", qe, _PRODUCT)
        return cls(
            core_hash=keccak(core),
            pck_id=pck_id,
            measurement=report.measurement,
            qe_signer=qe[_MR_SIGNER : _MR_SIGNER + 32],
            qe_attributes=qe[_ATTRIBUTES : _ATTRIBUTES + 16],
            qe_misc_select=qe[_MISC_SELECT : _MISC_SELECT + 4],
            qe_product=product,
            qe_svn=svn,
            tee_tcb_svn=report.tee_tcb_svn,
            tee_tcb_svn_2=report.tee_tcb_svn_2,
            td_attributes=report.td_attributes,
            xfam=report.xfam,
        )

    def as_solidity(self) -> tuple[bytes | int, ...]:
        """The members, in order."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def quote_hash(self) -> bytes:
        """keccak256(abi.encode(claims)), 32 bytes."""
        return keccak(encode([_SOLIDITY], [self.as_solidity()]))


def quote_hash(core: bytes, pck_id: bytes) -> bytes:
    """How the chain names that quote. Raises `QuoteMalformed`."""
    return QuoteClaims.of(core, pck_id).quote_hash()
