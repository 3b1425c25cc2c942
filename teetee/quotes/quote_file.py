# SPDX-License-Identifier: Apache-2.0
"""Reads a quote from a file, in any form that `quote_encodings` finds one in."""

from pathlib import Path
from typing import Final

from teetee.quotes.errors import QuoteUnreadable
from teetee.quotes.quote_encodings import NoQuoteFound, find_quote

MAX_FILE_BYTES: Final = 1 << 22
"""A verifier's JSON holds event logs and certificates beside the quote."""


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
    try:
        return find_quote(raw)
    except NoQuoteFound as reason:
        raise QuoteUnreadable(str(path), str(reason)) from None
