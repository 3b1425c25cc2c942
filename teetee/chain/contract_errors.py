# SPDX-License-Identifier: Apache-2.0
"""The contracts' refusals as Python errors: the custom error's name and arguments, and what to do
next.

Every custom error becomes a `ContractRejected`; those on which a caller decides have a class of
their own, named like the Solidity error. Arguments are what the contract gave: addresses as
checksummed text, hashes as bytes.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import is_address, to_checksum_address

from teetee.chain.abi import error_types
from teetee.errors import Fatal

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


class ContractRejected(Fatal):
    """A contract refused. `name` is the custom error's, `arguments` its values by name."""

    next_step: ClassVar[str] = "Read what it says about the values, correct them, and try again."

    def __init__(self, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.arguments = dict(arguments or {})
        values = ", ".join(f"{key}={_shown(value)}" for key, value in self.arguments.items())
        super().__init__(f"The contract refused: {name}({values}). {self.next_step}")


class UnknownRequest(ContractRejected):
    """No such request."""

    next_step = "Check the request's number, and that the chain is the one it was made on."


class RequestNotOpen(ContractRejected):
    """It has ended already. A lost race is information, not a fault."""

    next_step = "Read the request: its status says how it ended."


class SettlementTooLate(ContractRejected):
    """The deadline has passed."""

    next_step = "Leave it: the request can only be refunded now."


class DeclineTooEarly(ContractRejected):
    """It is not this recipient's turn yet."""

    next_step = "Wait for the takeover time."


class DeclineTooLate(ContractRejected):
    """The deadline has passed."""

    next_step = "Leave it: the request can only be refunded now."


class RefundTooEarly(ContractRejected):
    """The deadline has not passed."""

    next_step = "Wait until the deadline has passed."


class NotARecipientsSigner(ContractRejected):
    """The sender is not the signer of a recipient."""

    next_step = "Send from the enclave of one of the request's recipients."


class StageUnknown(ContractRejected):
    """A shard of the path does not exist."""

    next_step = "Choose the path anew from the registry."


class StageInactive(ContractRejected):
    """A shard of the path has expired, retired or was evicted."""

    next_step = "Have its host renew it in time, or run the request on another path."


class UnknownModel(ContractRejected):
    """No such model."""

    next_step = "List the models with `teetee models`."


class UnknownShard(ContractRejected):
    """No such shard."""

    next_step = "List the shards with `teetee shards`."


class RequestsPaused(ContractRejected):
    """No new requests are admitted."""

    next_step = "Try again later; open requests, refunds and withdrawals are not affected."


class RecipientInactive(ContractRejected):
    """An entry shard was lost between choosing and asking."""

    next_step = "Choose the recipients anew from the registry and seal again."


class RecipientNotEntry(ContractRejected):
    """A shard without tokenizer and head cannot be asked."""

    next_step = "Choose entry shards as recipients."


class CapsAboveContext(ContractRejected):
    """The caps on tokens together exceed the model's context."""

    next_step = "Shorten the prompt or ask for a shorter answer."


class DeadlinePassed(ContractRejected):
    """The deadline is in the past."""

    next_step = "Ask again with a later deadline, and check this machine's clock."


class DeadlineTooNear(ContractRejected):
    """The deadline leaves too little time."""

    next_step = "Ask again with a later deadline."


class DeadlineTooFar(ContractRejected):
    """The deadline is farther away than the escrow holds deposits."""

    next_step = "Ask again with an earlier deadline."


class DepositAboveLimit(ContractRejected):
    """The price rose above what the caller is ready to pay."""

    next_step = "Read the price again; raise the limit only if you agree with it."


class TokenAllowanceTooLow(ContractRejected):
    """The escrow may not take the deposit."""

    next_step = "Approve the escrow, or sign a fresh permit: the old one may have been used up."


class HostAllowanceExhausted(ContractRejected):
    """The host's free tokens of today do not suffice."""

    next_step = "Ask for fewer tokens, wait for the next UTC day, or pay."


class AllowanceShardInactive(ContractRejected):
    """Only a host with an active shard asks without paying."""

    next_step = "Renew the shard first, or pay."


class NothingToWithdraw(ContractRejected):
    """The account's credit is zero."""

    next_step = "Nothing is to be done: it was withdrawn, or spent on a request."


class FaucetTooSoon(ContractRejected):
    """The faucet was used lately."""

    next_step = "Wait until the time it names."


class FaucetOff(ContractRejected):
    """This network's token has no faucet."""

    next_step = "Get tokens from somebody who has some."


class BlockHashUnknown(ContractRejected):
    """The quote is bound to a block whose hash the chain no longer knows."""

    next_step = "Ask the enclave for a fresh quote over a recent block."


class SignerAlreadyEnrolled(ContractRejected):
    """The enclave has a shard, or its last one's bond has not been withdrawn yet."""

    next_step = "Renew that shard instead, or withdraw its bond first."


class MeasurementNotAllowed(ContractRejected):
    """The enclave runs an image which the model does not allow."""

    next_step = "Run one of the allowed images, or have the measurement allowed first."


class ReportDataMismatch(ContractRejected):
    """The quote vouches for another identity than the one that is being enrolled."""

    next_step = "Check host, layers, model, registry and chain in the enclave's settings."


class EnrolmentNotSigned(ContractRejected):
    """The enclave has signed another enrolment, or none."""

    next_step = "Ask the enclave again, with this endpoint and payout address."


class NotTheHost(ContractRejected):
    """Only the wallet which enrolled the shard can do this."""

    next_step = "Use the host's key."


class ShardNotActive(ContractRejected):
    """The shard was retired or evicted."""

    next_step = "Renew it if it was evicted; enrol anew if it was retired."


class ShardReplaced(ContractRejected):
    """The shard left and its enclave was enrolled anew; what was kept by its signer is gone."""

    next_step = "Read the shard that took its place, or its events."


class CollateralNotNewer(ContractRejected):
    """The chain keeps what was issued at the same time or later."""

    next_step = "Nothing is to be done: somebody brought it already."


class CollateralMissing(ContractRejected):
    """The chain has no collateral in force to judge the platform by."""

    next_step = "Bring it: `teetee collateral sync --pccs URL`."


class TcbStatusRefused(ContractRejected):
    """The platform is behind, and the model's policy does not accept that."""

    next_step = (
        "Have the machine's firmware updated; `teetee collateral show` names what is judged by."
    )


class TcbRefused(ContractRejected):
    """Intel has revoked the platform's TCB, or does not list it."""

    next_step = (
        "Have the machine's firmware updated; `teetee collateral show` names what is judged by."
    )


class AutomataRefused(ContractRejected):
    """Automata's contract refuses the quote, for its collateral, its certificates or its TCB."""

    next_step = "Read Automata's reason; TCBR: have the machine's firmware updated."


class PlatformIsDenied(ContractRejected):
    """The platform is denied, or not on the list that the model's policy asks for."""

    next_step = "Ask the model's publisher, or use another machine."


class ClaimsMismatch(ContractRejected):
    """A recheck was given claims of another quote than the shard's present one."""

    next_step = "Read the shard again: it was renewed."


class ShardStillFit(ContractRejected):
    """There is no reason for an eviction."""

    next_step = "Leave the shard alone."


class ERC20InsufficientBalance(ContractRejected):
    """Fewer tokens than the call takes."""

    next_step = "Get tokens first: on test networks from the faucet."


class ERC20InsufficientAllowance(ContractRejected):
    """The contract may not take as many tokens."""

    next_step = "Approve it first."


JUDGED_BY_COLLATERAL = (CollateralMissing, TcbStatusRefused, TcbRefused)
"""Refusals of a platform that newer collateral may take back."""

NAMED: dict[str, type[ContractRejected]] = {
    named.__name__: named for named in ContractRejected.__subclasses__()
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
            return ContractRejected(f"0x{selector.hex()}" if selector else "without a reason")
        values = decode(list(error.types), arguments)
    except (DecodingError, UnicodeDecodeError):
        return ContractRejected(f"0x{selector.hex()}")
    named = NAMED.get(error.name, ContractRejected)
    given = {
        name: to_checksum_address(value) if kind == "address" else value
        for name, kind, value in zip(error.names, error.types, values, strict=True)
    }
    return named(error.name, given)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value) if not is_address(value) else to_checksum_address(str(value))
