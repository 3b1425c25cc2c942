"""A quote in a file, as machines and people keep them: raw bytes, or hexadecimal digits."""

import re
from pathlib import Path
from typing import Final

from teetee.quotes.errors import QuoteUnreadable

MAX_FILE_BYTES: Final = 1 << 20
_HEX = re.compile(rb"(?:0[xX])?(?:[0-9A-Fa-f]{2}\s*)+")


def read_quote(path: Path) -> bytes:
    """The quote's bytes, with whatever zeros stand behind it. Raises `QuoteUnreadable`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise QuoteUnreadable(str(path), error.strerror or type(error).__name__) from None
    if not raw:
        raise QuoteUnreadable(str(path), "it is empty")
    if len(raw) > MAX_FILE_BYTES:
        raise QuoteUnreadable(str(path), f"it has more than {MAX_FILE_BYTES} bytes")
    text = raw.strip()
    # No quote's first bytes are digits: versions are numbers below 0x30.
    if _HEX.fullmatch(text):
        return bytes.fromhex(text.decode("ascii").removeprefix("0x").removeprefix("0X"))
    return raw
