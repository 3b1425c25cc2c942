# SPDX-License-Identifier: Apache-2.0
"""Takes a quote's bytes from the front."""

import struct

from teetee.quotes.errors import QuoteMalformed


class ByteReader:
    """Raises `QuoteMalformed` for what is missing."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._position = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self._position + size
        if end > len(self._raw):
            raise QuoteMalformed(f"is cut off: {end - len(self._raw)} bytes are missing")
        taken = self._raw[self._position : end]
        self._position = end
        return taken

    def take_sized(self, form: str) -> bytes:
        """As many bytes as the number before them says."""
        (size,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return self.take(size)

    def take_typed(self, expected: int) -> bytes:
        """Certification data of that type."""
        (kind,) = struct.unpack("<H", self.take(2))
        if kind != expected:
            raise QuoteMalformed(f"has certification data of type {kind} instead of {expected}")
        return self.take_sized("<I")

    def rest(self) -> bytes:
        """What has not been taken."""
        return self._raw[self._position :]

    def finish(self) -> None:
        """Nothing may be left."""
        if self.rest():
            raise QuoteMalformed(f"has {len(self.rest())} bytes where none belong")
