# SPDX-License-Identifier: Apache-2.0
"""Encodes contract calls as calldata, and decodes calldata that was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from teetee.errors import FieldInvalid

if TYPE_CHECKING:
    from web3.contract import Contract


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be simulated or sent; `teetee.chain.contracts` makes them."""

    to: str
    data: bytes
    what: str
    """Function name, for logs and reports."""
    value: int = 0
    """Wei."""


def encode_call(contract: Contract, function: str, *arguments: Any) -> Call:
    """A call of a contract's function. Raises `FieldInvalid` for arguments of the wrong type."""
    from web3.exceptions import Web3Exception

    try:
        data = contract.encode_abi(function, args=list(arguments))
    except (Web3Exception, TypeError, ValueError):
        raise FieldInvalid(f"arguments of {function}", "must fit the contract's types") from None
    return Call(str(contract.address), bytes.fromhex(data[2:]), function)


def decode_call(contract: Contract, to: str, data: bytes) -> tuple[str, dict[str, Any]] | None:
    """Function name and arguments; None if it is not a call of this contract."""
    from web3.exceptions import Web3Exception

    if to.lower() != str(contract.address).lower():
        return None
    try:
        function, arguments = contract.decode_function_input(data)
    except (ValueError, Web3Exception):
        return None
    return str(function.fn_name).split("(")[0], plain(arguments)


def plain(value: Any) -> Any:
    """web3's mappings and named tuples as dictionaries, at every depth."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: plain(item) for key, item in value._asdict().items()}
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return bytes(value) if isinstance(value, bytes) else value
