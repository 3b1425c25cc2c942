# SPDX-License-Identifier: Apache-2.0
"""Calls of contracts as bytes: made to be sent, and read back from what was sent."""

from dataclasses import dataclass
from typing import Any

from web3.contract import Contract
from web3.datastructures import AttributeDict
from web3.exceptions import Web3Exception

from teetee.errors import FieldInvalid


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be simulated or sent: made by `registry`, `escrow` and `token`."""

    to: str
    data: bytes
    what: str
    """Function name, for logs and reports."""
    value: int = 0
    """Wei."""


def encode_call(contract: Contract, function: str, *arguments: Any) -> Call:
    """A call of a contract's function. Raises `FieldInvalid` for arguments of the wrong type."""
    try:
        data = contract.encode_abi(function, args=list(arguments))
    except (Web3Exception, TypeError, ValueError):
        raise FieldInvalid(f"arguments of {function}", "must fit the contract's types") from None
    return Call(str(contract.address), bytes.fromhex(data[2:]), function)


def decode_call(contract: Contract, to: str, data: bytes) -> tuple[str, dict[str, Any]] | None:
    """Function and arguments of what was sent; None: it was no call of this contract."""
    if to.lower() != str(contract.address).lower():
        return None
    try:
        function, arguments = contract.decode_function_input(data)
    except (ValueError, Web3Exception):
        return None
    return str(function.fn_name).split("(")[0], plain(arguments)


def plain(value: Any) -> Any:
    """web3's attribute dictionaries and named tuples as dictionaries, all the way down."""
    if isinstance(value, AttributeDict | dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: plain(item) for key, item in value._asdict().items()}
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return bytes(value) if isinstance(value, bytes) else value
