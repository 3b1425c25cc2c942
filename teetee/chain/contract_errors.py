# SPDX-License-Identifier: Apache-2.0
"""The contracts' custom errors as Python errors: name, arguments, and what to do next.

Every custom error becomes a `ContractRejected`; those that product code catches have a class of
their own. Arguments are the contract's: addresses as checksummed text, hashes as bytes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
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

_TIMES: Final = frozenset(
    (
        *("certifiedUntil", "currentTime", "deadline", "earliest", "expiresAt", "issuedAt"),
        *("keptIssuedAt", "latest", "nextClaimAt", "nextUpdate", "notAfter", "notBefore"),
        *("releasedAt", "takeoverAt", "validAfter", "validBefore"),
    )
)
"""Arguments in Unix seconds, of every error that has them."""
_LAST_SECOND: Final = (1 << 37) - 1  # the year 6325; later ones mean: never

_AMOUNTS: Final = frozenset(
    {
        "ERC20InsufficientAllowance",
        "ERC20InsufficientBalance",
        "TokenAllowanceTooLow",
        "AuthorizationTooLow",
        "DepositAboveLimit",
        "BondNotWhole",
    }
)
"""Errors whose numbers are token wei, but for ids."""
_WEI: Final = 10**18

# For the errors that people meet; the others are shown as the contract names them.
SENTENCES: Final = {
    "UnknownModel": "There is no model {modelId}",
    "UnknownRequest": "There is no request {requestId}",
    "UnknownShard": "There is no shard {shardId}",
    "RequestsPaused": "The escrow takes no requests at the moment",
    "RequestNotOpen": "Request {requestId} is {status}",
    "RefundTooEarly": "Request {requestId} can be refunded after {deadline}",
    "RecipientInactive": "Shard {shardId} cannot serve requests at the moment",
    "NothingToWithdraw": "{account} has no credit to withdraw",
    "FaucetTooSoon": "The faucet serves {account} again at {nextClaimAt}",
    "FaucetOff": "This network's token has no faucet",
    "FaucetEmpty": "The faucet is empty",
    "ShardNotActive": "Shard {shardId} is {status}",
    "ShardNotRenewable": "Shard {shardId} is {status}",
    "ShardReplaced": "Shard {shardId} was enrolled again, as shard {by}",
    "NotTheHost": "Shard {shardId} belongs to {host}, and the caller is {caller}",
    "NotTheShardsHost": "Shard {shardId} belongs to {host}, and the caller is {caller}",
    "BondInUse": "Shard {shardId} is still enrolled",
    "BondStillLocked": "The bond of shard {shardId} is locked until {releasedAt}",
    "NothingBonded": "Shard {shardId} has no bond",
    "BondNotWhole": "The bond of shard {shardId} has {bond} of {needed}",
    "PayoutRefused": "Tokens that are paid out to {payout} would be lost",
    "SignerAlreadyEnrolled": "This enclave is already enrolled, as shard {shardId}",
    "MeasurementNotAllowed": "Model {modelId} does not allow the image with measurement "
    "{measurement}",
    "TcbStatusRefused": "The model does not accept a platform with TCB status {status}",
    "PckRevoked": "Intel has revoked the machine's certificate {pckId}",
}


class ContractRejected(Fatal):
    """A contract refused. `name` is the custom error's, `arguments` its values by name."""

    def __init__(self, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.arguments = dict(arguments or {})
        next_step = NEXT_STEPS.get(name, UNKNOWN_ERROR)
        super().__init__(f"{_describe(name, self.arguments)}. {next_step}")

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


def _describe(name: str, arguments: Mapping[str, Any]) -> str:
    shown = {key: show_argument(name, key, value) for key, value in arguments.items()}
    try:
        return f"{SENTENCES[name].format_map(shown)} ({name})"
    except KeyError:  # no sentence, or not with these arguments
        values = ", ".join(f"{key}={value}" for key, value in shown.items())
        return f"The contract refused: {name}({values})"


def show_argument(error: str, argument: str, value: object) -> str:
    """For people: times as dates, statuses by name, amounts in TEE, bytes as hex with 0x."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and argument in _TIMES and 0 < value <= _LAST_SECOND:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, int) and argument == "status":
        return _show_status(error, value)
    if isinstance(value, int) and error in _AMOUNTS and not argument.endswith("Id"):
        whole, fraction = divmod(value, _WEI)
        return f"{whole}.{fraction:018d}".rstrip("0").rstrip(".") + " TEE"
    return str(value) if not is_address(value) else to_checksum_address(str(value))


def _show_status(error: str, value: int) -> str:
    try:
        if error.startswith("Tcb"):
            from teetee.quotes.tcb_status import TcbStatus

            return TcbStatus(value).intel_name
        if error.startswith("Request"):
            from teetee.chain.types.requests import RequestStatus

            return RequestStatus(value).name.lower()
        from teetee.chain.types.shards import ShardStatus

        return ShardStatus(value).name.lower()
    except ValueError:
        return str(value)
