"""Amounts of TEE as people write them. On the chain and in JSON they are whole wei."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from teetee.client.errors import MalformedAmount

DECIMALS = 18
SYMBOL = "TEE"
_WEI = Decimal(10) ** DECIMALS
_LARGEST = (1 << 128) - 1


def format_amount(wei: int, symbol: str = SYMBOL) -> str:
    """`1500000000000000000` → `1.5 TEE`; every digit, no rounding."""
    whole, rest = divmod(abs(wei), 10**DECIMALS)
    digits = f"{rest:0{DECIMALS}d}".rstrip("0")
    sign = "-" if wei < 0 else ""
    return f"{sign}{whole}{'.' + digits if digits else ''} {symbol}"


def parse_amount(text: str) -> int:
    """`1.5`, `1.5 TEE` or `1500000000000000000 wei` → wei. Raises `MalformedAmount`."""
    number, _, unit = text.strip().partition(" ")
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise MalformedAmount(text) from None
    if not value.is_finite() or unit.strip().upper() not in {"", SYMBOL, "WEI"}:
        raise MalformedAmount(text)
    wei = value if unit.strip().upper() == "WEI" else value * _WEI
    if not 0 <= wei <= _LARGEST or wei != wei.to_integral_value():
        raise MalformedAmount(text)
    return int(wei)
