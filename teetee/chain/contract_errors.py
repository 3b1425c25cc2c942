# SPDX-License-Identifier: Apache-2.0
"""The contracts' custom errors as Python errors: name, arguments, and what to do next.

Every custom error becomes a `ContractRejected`; those that product code catches have a class of
their own. Arguments are the contract's: addresses as checksummed text, hashes as bytes.
"""

from collections.abc import Mapping
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import is_address, to_checksum_address

from teetee.chain.abi import error_types
from teetee.chain.next_steps import NEXT_STEPS, UNKNOWN_ERROR
from teetee.errors import Fatal

_ERROR_STRING = bytes.fromhex("08c379a0")
WITHOUT_REASON: Final = "without a reason"
_PANIC = bytes.fromhex("4e487b71")


class ContractRejected(Fatal):
    """A contract refused. `name` is the custom error's, `arguments` its values by name."""

    def __init__(self, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.arguments = dict(arguments or {})
        values = ", ".join(f"{key}={_shown(value)}" for key, value in self.arguments.items())
        next_step = NEXT_STEPS.get(name, UNKNOWN_ERROR)
        super().__init__(f"The contract refused: {name}({values}). {next_step}")

    @property
    def error_name(self) -> str:
        """The custom error's."""
        return self.name

    @property
    def is_unexplained(self) -> bool:
        """Whether the node gave no data of the refusal."""
        return self.name == WITHOUT_REASON


class UnknownRequest(ContractRejected):
    """No such request."""


class UnknownModel(ContractRejected):
    """No such model."""


class UnknownShard(ContractRejected):
    """No such shard."""


class RequestNotOpen(ContractRejected):
    """The request has ended. A lost race is information, not a fault."""


class RefundTooEarly(ContractRejected):
    """The deadline has not passed."""


class ShardReplaced(ContractRejected):
    """The shard left and its enclave was enrolled again under another number."""


class CollateralNotNewer(ContractRejected):
    """The chain's collateral was issued at the same time or later."""


class PlatformRefused(ContractRejected):
    """A refusal of a platform that newer collateral may lift."""


_CLASSES: Final[Mapping[str, type[ContractRejected]]] = {
    "UnknownRequest": UnknownRequest,
    "UnknownModel": UnknownModel,
    "UnknownShard": UnknownShard,
    "RequestNotOpen": RequestNotOpen,
    "RefundTooEarly": RefundTooEarly,
    "ShardReplaced": ShardReplaced,
    "CollateralNotNewer": CollateralNotNewer,
    "CollateralMissing": PlatformRefused,
    "TcbStatusRefused": PlatformRefused,
    "TcbRefused": PlatformRefused,
}


def decode_rejection(data: bytes) -> ContractRejected:
    """The error that a revert's data holds; unknown data is named by its selector."""
    selector, arguments = data[:4], data[4:]
    try:
        if selector == _ERROR_STRING:
            return ContractRejected("Error", {"reason": decode(["string"], arguments)[0][:200]})
        if selector == _PANIC:
            return ContractRejected("Panic", {"code": decode(["uint256"], arguments)[0]})
        error = error_types().get(selector)
        if error is None:
            return ContractRejected(f"0x{selector.hex()}" if selector else WITHOUT_REASON)
        values = decode(list(error.types), arguments)
    except (DecodingError, UnicodeDecodeError):
        return ContractRejected(f"0x{selector.hex()}")
    given = {
        name: to_checksum_address(value) if kind == "address" else value
        for name, kind, value in zip(error.names, error.types, values, strict=True)
    }
    return _CLASSES.get(error.name, ContractRejected)(error.name, given)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value) if not is_address(value) else to_checksum_address(str(value))
