# SPDX-License-Identifier: Apache-2.0
"""A revocation list in the form in which the chain takes a long one: entries of a fixed size, from
which the contract writes the DER that Intel signed. And their upload, in several transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from teetee.chain.contract_errors import ContractRejected
from teetee.chain.contracts.long_crls import (
    END_OF_SERIALS,
    MAX_PAGE_SERIALS,
    MAX_PART_ENTRIES,
    LongCrls,
)
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.quotes.certificates.der import der_items, whole_items
from teetee.quotes.errors import CollateralInvalid

MAX_SHORT_BYTES: Final = 1000 * 54
"""A list of up to 1,000 entries is uploaded in one transaction, with some gas to spare."""


@dataclass(frozen=True)
class LongCrl:
    """All but the entries is DER, as in the list."""

    issuer: bytes
    this_update: bytes
    next_update: bytes
    endings: tuple[bytes, ...]
    """What follows the serial number in an entry: date and reason."""
    entries: tuple[tuple[int, int], ...]
    """Serial number and index of the ending, in the order of the list."""
    extensions: bytes
    signature: tuple[int, int]
    """r and s."""

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """From a CRL with at least one entry. Raises `CollateralInvalid`."""
        try:
            ((_, content),) = der_items(der)
            (_, listed), _, (_, signature) = der_items(content)
            fields = list(whole_items(listed))
            _, _, issuer, this_update, next_update, (revoked, start), extensions = fields
            endings: dict[bytes, int] = {}
            entries = [_entry(each, endings) for _, each in der_items(revoked[start:])]
            return cls(
                issuer=issuer[0],
                this_update=this_update[0],
                next_update=next_update[0],
                endings=tuple(endings),
                entries=tuple(entries),
                extensions=extensions[0],
                signature=decode_dss_signature(signature[1:]),
            )
        except ValueError:
            raise CollateralInvalid("has a malformed CRL") from None

    def parts(self) -> list[bytes]:
        """The entries as `addPart` takes them."""
        packed = [
            serial.to_bytes(20, "big") + ending.to_bytes(2, "big")
            for serial, ending in self.entries
        ]
        starts = range(0, len(packed), MAX_PART_ENTRIES)
        return [b"".join(packed[start : start + MAX_PART_ENTRIES]) for start in starts]

    def page_end(self, start: int) -> int:
        """Where a page that begins at `start` should end, so that all that follow are as full."""
        remaining = sorted({serial for serial, _ in self.entries if serial >= start})
        pages = -(-len(remaining) // MAX_PAGE_SERIALS)
        if pages <= 1:
            return END_OF_SERIALS
        return remaining[-(-len(remaining) // pages)]

    def to_abi(self, parts: Sequence[str]) -> dict[str, Any]:
        """The contract's LongCrl, whose entries are at these addresses."""
        r, s = self.signature
        return {
            "issuer": self.issuer,
            "thisUpdate": self.this_update,
            "nextUpdate": self.next_update,
            "endings": list(self.endings),
            "parts": list(parts),
            "extensions": self.extensions,
            "r": r,
            "s": s,
        }


def upload_entries(
    contract: LongCrls, sender: TransactionSender, crl: LongCrl
) -> tuple[list[str], list[ConfirmedTransaction]]:
    """The addresses of the list's parts, after all are stored and sorted, and what was sent for it.

    What is there already is not sent again: an interrupted upload left it, another uploader brought
    it, or an earlier list had the same entries. Raises the chain's errors.
    """
    addresses, sent = [], []
    for entries in crl.parts():
        address, is_there = contract.find_part(entries)
        if not is_there:
            sent.append(sender.send(contract.add_part(entries)))
        addresses.append(address)
    while (start := contract.sorted_until(addresses)) != END_OF_SERIALS:
        try:
            sent.append(sender.send(contract.add_page(addresses, crl.page_end(start))))
        except ContractRejected:
            if contract.sorted_until(addresses) == start:
                raise
            # otherwise another uploader has sorted that page
    return addresses, sent


def _entry(content: bytes, endings: dict[bytes, int]) -> tuple[int, int]:
    """Adds the entry's ending if it is new."""
    number, start = next(whole_items(content))
    serial = int.from_bytes(number[start:], "big", signed=True)
    index = endings.setdefault(content[len(number) :], len(endings))
    if not 0 < serial < END_OF_SERIALS or index > 0xFFFF:
        raise ValueError("no serial number, or too many endings")
    return serial, index
