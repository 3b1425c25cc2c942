# SPDX-License-Identifier: Apache-2.0
"""The types of options: amounts, durations, hashes and addresses as people write them."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from eth_utils.address import is_checksum_address, to_checksum_address

from teetee.client.amounts import parse_amount
from teetee.client.errors import MalformedAmount
from teetee.quotes.tcb_status import TcbStatus

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic only in later versions than ape's

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = (1 << 32) - 1
ACCEPTABLE = tuple(status for status in TcbStatus if status.is_known)
_STATUSES = {status.intel_name.lower(): status for status in TcbStatus}
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")


def duration_text(seconds: int) -> str:
    """`2 days`, `1:30:00`."""
    return str(timedelta(seconds=seconds)).removesuffix(", 0:00:00")


class Amount(ParamType):
    """Tokens as people write them; wei within."""

    name = "TEE"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """`1.5`, `1.5 TEE` or `100 wei`."""
        if isinstance(value, int):
            return value
        try:
            return parse_amount(value)
        except MalformedAmount as error:
            self.fail(str(error), param, ctx)


class Duration(ParamType):
    """Seconds, or a number with s, m, h or d behind it."""

    name = "DURATION"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """`2d` → 172800."""
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is no duration: write 30s, 10m, 2h or 2d.", param, ctx)
        seconds = int(match[1]) * _UNITS[match[2]]
        if seconds > LONGEST:
            self.fail(f"{value!r} is more than the 136 years which a contract holds.", param, ctx)
        return seconds


class FixedBytes(ParamType):
    """So many bytes as hex with 0x."""

    name = "0x…"

    def __init__(self, size: int) -> None:
        self.size = size

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        """Exactly two digits for each byte."""
        if isinstance(value, bytes):
            return value
        digits = 2 * self.size
        if not re.fullmatch(f"0x[0-9a-fA-F]{{{digits}}}", value):
            self.fail(f"{value!r} is not 0x and {digits} hexadecimal digits.", param, ctx)
        return bytes.fromhex(value[2:])


class Status(ParamType):
    """A TCB status that a policy can accept, as Intel spells it."""

    name = "STATUS"

    def convert(self, value: Any, param: Any, ctx: Any) -> TcbStatus:
        """Upper and lower case are the same, and so is our own spelling with underscores."""
        if isinstance(value, TcbStatus):
            return value
        wanted = value.replace("_", "").lower()
        status = _STATUSES.get(wanted)
        if status is None:
            known = ", ".join(each.intel_name for each in ACCEPTABLE)
            self.fail(f"{value!r} is no status of Intel's: {known}.", param, ctx)
        if status not in ACCEPTABLE:
            self.fail(
                f"{status.intel_name} can be accepted by no policy: Intel does not stand by such a "
                f"platform. The worst that can is {ACCEPTABLE[-1].intel_name}.",
                param,
                ctx,
            )
        return status


class Address(ParamType):
    """An address; in mixed case its checksum must be right."""

    name = "ADDRESS"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Checksummed."""
        text = str(value)
        digits = text.removeprefix("0x")
        is_mixed = digits not in (digits.lower(), digits.upper())
        if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text) or (
            is_mixed and not is_checksum_address(text)
        ):
            self.fail(f"{text!r} is no address, or a mistyped one.", param, ctx)
        return str(to_checksum_address(text))


AMOUNT, DURATION, ADDRESS, STATUS = Amount(), Duration(), Address(), Status()
BYTES8, BYTES32 = FixedBytes(8), FixedBytes(32)
BASIS_POINTS = click.IntRange(0, 10_000)
