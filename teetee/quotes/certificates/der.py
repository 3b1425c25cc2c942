# SPDX-License-Identifier: Apache-2.0
"""The subset of DER that Intel's extension of PCK certificates and its CRLs use."""

from collections.abc import Iterator
from typing import Final

SEQUENCE: Final = 0x30
OBJECT_IDENTIFIER: Final = 0x06


def der_items(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each item in `der`, a concatenation of items.

    Lengths below 2^24 bytes. Raises ValueError for truncated items and for lengths in a longer form
    than needed.
    """
    for whole, start in whole_items(der):
        yield whole[0], whole[start:]


def whole_items(der: bytes) -> Iterator[tuple[bytes, int]]:
    """Each item with its header, and where its content starts in it. Otherwise as `der_items`."""
    position = 0
    while position < len(der):
        if len(der) - position < 2:
            raise ValueError("cut off")
        size, start = der[position + 1], position + 2
        if size >= 0x80:
            count = size - 0x80
            digits = der[start : start + count]
            if count not in (1, 2, 3) or len(digits) != count or digits[0] == 0:
                raise ValueError("length of a form that is not DER, or too large")
            size, start = int.from_bytes(digits, "big"), start + count
            if size < 0x80:
                raise ValueError("length of a longer form than needed")
        if len(der) - start < size:
            raise ValueError("cut off")
        yield der[position : start + size], start - position
        position = start + size


def named_values(der: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """From a list of SEQUENCE { OBJECT IDENTIFIER, value }: the identifier's content, the value's
    tag and its content. Raises ValueError for other DER."""
    for tag, content in der_items(der):
        parts = list(der_items(content)) if tag == SEQUENCE else []
        if len(parts) != 2 or parts[0][0] != OBJECT_IDENTIFIER:
            raise ValueError("not a list of named values")
        (_, name), (value_tag, value) = parts
        yield name, value_tag, value
