# SPDX-License-Identifier: Apache-2.0
"""Reads a quote from a file: raw bytes, hexadecimal digits, or base64."""

import base64
import re
from pathlib import Path
from typing import Final

from teetee.quotes.errors import QuoteUnreadable

MAX_FILE_BYTES: Final = 1 << 20
_VERSIONS: Final = (b"\x03\x00", b"\x04\x00", b"\x05\x00")
_USUAL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_HEX = re.compile(rb"(?:0[xX])?(?:[0-9A-Fa-f]{2}\s*)+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-\s]+={0,2}")


def read_quote(path: Path) -> bytes:
    """The quote's bytes, trailing zeros included. Raises `QuoteUnreadable`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise QuoteUnreadable(str(path), error.strerror or type(error).__name__) from None
    if not raw:
        raise QuoteUnreadable(str(path), "it is empty")
    if len(raw) > MAX_FILE_BYTES:
        raise QuoteUnreadable(str(path), f"it has more than {MAX_FILE_BYTES} bytes")
    text = raw.strip().strip(b"\"'")
    # A raw quote is never mistaken for text: it begins with a version number below 0x30.
    if _HEX.fullmatch(text):
        return bytes.fromhex(text.decode("ascii").removeprefix("0x").removeprefix("0X"))
    if _HEX.fullmatch(text + b"0"):
        raise QuoteUnreadable(str(path), "it has an odd number of hexadecimal digits")
    return _from_base64(text) or raw


def _from_base64(text: bytes) -> bytes | None:
    """In the standard or the URL alphabet, on one line or several. None unless it decodes to the
    start of a quote: any word is valid base64."""
    if not _BASE64.fullmatch(text):
        return None
    digits = b"".join(text.split()).translate(_USUAL_ALPHABET).rstrip(b"=")
    try:
        decoded = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return None
    return decoded if decoded[:2] in _VERSIONS else None
