# SPDX-License-Identifier: Apache-2.0
"""The contract that takes revocation lists in parts, and calls of it. Anyone may make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PART_ENTRIES: Final = 1117
"""Of 22 bytes each; they are the code of one contract."""
MAX_PAGE_SERIALS: Final = 1228
"""Different ones; a page other than the last has at least half as many."""
END_OF_SERIALS: Final = 1 << 160
"""Where the last page ends."""


class LongCrls:
    """Reads of the newest block, and calls."""

    def __init__(self, connection: Connection, address: str) -> None:
        self._connection = connection
        self.contract = connection.contract("LongCrls", address)

    def find_part(self, entries: bytes) -> tuple[str, bool]:
        """The address of a part of these entries, and whether it is stored."""
        address, is_there = self._read("findPart", entries)
        return str(address), bool(is_there)

    def sorted_until(self, parts: Sequence[str]) -> int:
        """The serial number before which these parts are sorted into pages."""
        return int(self._read("sortedUntil", list(parts)))

    def add_part(self, entries: bytes) -> Call:
        """Store entries: serial number 20 ‖ index of the ending 2, each."""
        return encode_call(self.contract, "addPart", entries)

    def add_page(self, parts: Sequence[str], end: int) -> Call:
        """Sort the next page, which ends before that serial number."""
        return encode_call(self.contract, "addPage", list(parts), end)

    def _read(self, function: str, *arguments: Any) -> Any:
        return self._connection.read(self.contract, function, *arguments)
