# SPDX-License-Identifier: Apache-2.0
"""Amounts of TEE as people read and write them. On chain and in JSON they are whole wei."""

from __future__ import annotations

import re

from teetee.client.errors import MalformedAmount

DECIMALS = 18
SYMBOL = "TEE"
# Digits, not floating point: amounts are exact to the wei.
_AMOUNT = re.compile(
    rf"(?P<whole>[0-9]{{1,40}})(\.(?P<fraction>[0-9]+))?( *(?P<unit>{SYMBOL}|wei))?", re.IGNORECASE
)
_LARGEST = (1 << 128) - 1


def format_amount(wei: int, symbol: str = SYMBOL) -> str:
    """`1500000000000000000` → `1.5 TEE`, exactly."""
    whole, fraction = divmod(abs(wei), 10**DECIMALS)
    digits = f"{fraction:0{DECIMALS}d}".rstrip("0")
    sign = "-" if wei < 0 else ""
    return f"{sign}{whole}{'.' + digits if digits else ''} {symbol}"


def round_amount(wei: int, symbol: str = SYMBOL, *, down: bool = False) -> str:
    """`1999724499999999999999` → `1999.7245 TEE`, for people: 4 decimals, below 1 TEE 4 significant
    digits, below a billionth wei.

    `down` rounds towards zero, for balances.
    """
    size = abs(wei)
    if 0 < size < 10 ** (DECIMALS - 9):
        return f"{wei} wei"
    decimals = min(DECIMALS, 4 + max(0, DECIMALS - len(str(size))))
    step = 10 ** (DECIMALS - decimals)
    rounded = (size + (0 if down else step // 2)) // step * step
    return format_amount(-rounded if wei < 0 else rounded, symbol)


def parse_amount(text: str) -> int:
    """`1.5`, `1.5 TEE` or `1500000000000000000 wei` → wei. Raises `MalformedAmount`."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise MalformedAmount(text)
    whole, fraction, unit = match["whole"], match["fraction"] or "", (match["unit"] or SYMBOL)
    if unit.upper() == "WEI":
        digits = whole if not fraction else ""
    else:
        digits = whole + fraction.ljust(DECIMALS, "0") if len(fraction) <= DECIMALS else ""
    if not digits or int(digits) > _LARGEST:
        raise MalformedAmount(text)
    return int(digits)
