# SPDX-License-Identifier: Apache-2.0
"""The DER encoders that Intel's certificate extension needs and `cryptography` does not offer.

Encodes only, with definite lengths in the shortest form (X.690 section 10).
"""

BOOLEAN, INTEGER, OCTET_STRING, OBJECT_IDENTIFIER, ENUMERATED, SEQUENCE = (
    0x01,
    0x02,
    0x04,
    0x06,
    0x0A,
    0x30,
)


def element(tag: int, content: bytes) -> bytes:
    """tag ‖ shortest length ‖ content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*items: bytes) -> bytes:
    """A SEQUENCE of the items, in order."""
    return element(SEQUENCE, b"".join(items))


def octet_string(content: bytes) -> bytes:
    """An OCTET STRING."""
    return element(OCTET_STRING, content)


def boolean(value: bool) -> bytes:
    """A BOOLEAN; true is 0xff."""
    return element(BOOLEAN, b"\xff" if value else b"\x00")


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A non-negative INTEGER, with a leading zero byte only if the top bit is set."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def enumerated(value: int) -> bytes:
    """A non-negative ENUMERATED value."""
    return integer(value, ENUMERATED)


def object_identifier(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from `1.2.840…`: the first two arcs share one number; numbers are base
    128 with continuation bits.
    """
    first, second, *arcs = (int(arc) for arc in dotted.split("."))
    return element(
        OBJECT_IDENTIFIER, b"".join(_base128(arc) for arc in (40 * first + second, *arcs))
    )


def _base128(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(0x80 | value & 0x7F)
    return bytes(reversed(digits))
