# SPDX-License-Identifier: Apache-2.0
"""Reads a quote's bytes from front to back."""

import struct

from teetee.quotes.errors import QuoteMalformed


class ByteReader:
    """A position in bytes. Every method raises `QuoteMalformed` where they are not as expected."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._position = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self._position + size
        if end > len(self._raw):
            raise QuoteMalformed(f"is cut off: {end - len(self._raw)} bytes are missing")
        content = self._raw[self._position : end]
        self._position = end
        return content

    def read_sized(self, form: str) -> bytes:
        """A length of that `struct` format, then as many bytes."""
        (size,) = struct.unpack(form, self.read(struct.calcsize(form)))
        return self.read(size)

    def read_certification(self, expected: int) -> bytes:
        """Certification data of that type."""
        (kind,) = struct.unpack("<H", self.read(2))
        if kind != expected:
            raise QuoteMalformed(f"has certification data of type {kind} instead of {expected}")
        return self.read_sized("<I")

    def remaining(self) -> bytes:
        """The bytes that were not read; reads nothing."""
        return self._raw[self._position :]

    def expect_end(self) -> None:
        """Raises unless everything was read."""
        if self.remaining():
            raise QuoteMalformed(f"has {len(self.remaining())} bytes where none belong")
