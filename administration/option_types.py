# SPDX-License-Identifier: Apache-2.0
"""Types of command-line options: amounts, durations, hashes and addresses."""

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
    ParamType = click.ParamType  # generic only in versions later than ape's

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_SECONDS = (1 << 32) - 1
ACCEPTABLE_STATUSES = tuple(status for status in TcbStatus if status.is_acceptable)
_STATUSES = {status.intel_name.lower(): status for status in TcbStatus}
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")


def duration_text(seconds: int) -> str:
    """`2 days`, `1:30:00`."""
    return str(timedelta(seconds=seconds)).removesuffix(", 0:00:00")


class Amount(ParamType):
    """Tokens, as `1.5`, `1.5 TEE` or `100 wei`; converted to wei."""

    name = "TEE"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """`1.5` → 1500000000000000000."""
        if isinstance(value, int):
            return value
        try:
            return parse_amount(value)
        except MalformedAmount as error:
            self.fail(str(error), param, ctx)


class Duration(ParamType):
    """A number of seconds, or a number followed by s, m, h or d."""

    name = "DURATION"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """`2d` → 172800."""
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not a duration: write 30s, 10m, 2h or 2d.", param, ctx)
        seconds = int(match[1]) * _UNITS[match[2]]
        if seconds > MAX_SECONDS:
            self.fail(
                f"{value!r} is more than the 136 years that a contract can store.", param, ctx
            )
        return seconds


class FixedBytes(ParamType):
    """A fixed number of bytes, as hexadecimal with 0x."""

    name = "0x…"

    def __init__(self, size: int) -> None:
        self.size = size

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        """Two digits for each byte, no more and no fewer."""
        if isinstance(value, bytes):
            return value
        digits = 2 * self.size
        if not re.fullmatch(f"0x[0-9a-fA-F]{{{digits}}}", value):
            self.fail(f"{value!r} is not 0x and {digits} hexadecimal digits.", param, ctx)
        return bytes.fromhex(value[2:])


class Status(ParamType):
    """A TCB status that a policy can accept, in Intel's spelling."""

    name = "STATUS"

    def convert(self, value: Any, param: Any, ctx: Any) -> TcbStatus:
        """Ignores case and underscores."""
        if isinstance(value, TcbStatus):
            return value
        wanted = value.replace("_", "").lower()
        status = _STATUSES.get(wanted)
        if status is None:
            known = ", ".join(each.intel_name for each in ACCEPTABLE_STATUSES)
            self.fail(f"{value!r} is not one of Intel's statuses: {known}.", param, ctx)
        if status not in ACCEPTABLE_STATUSES:
            self.fail(
                f"No policy can accept {status.intel_name}: Intel does not vouch for such a "
                "platform. The lowest status that a policy can accept is "
                f"{ACCEPTABLE_STATUSES[-1].intel_name}.",
                param,
                ctx,
            )
        return status


class Address(ParamType):
    """An address. In mixed case, its checksum must be correct."""

    name = "ADDRESS"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Checksummed."""
        text = str(value)
        digits = text.removeprefix("0x")
        is_mixed = digits not in (digits.lower(), digits.upper())
        if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text) or (
            is_mixed and not is_checksum_address(text)
        ):
            self.fail(f"{text!r} is not an address, or its checksum is wrong.", param, ctx)
        return str(to_checksum_address(text))


AMOUNT, DURATION, ADDRESS, STATUS = Amount(), Duration(), Address(), Status()
BYTES8, BYTES32 = FixedBytes(8), FixedBytes(32)
BASIS_POINTS = click.IntRange(0, 10_000)
