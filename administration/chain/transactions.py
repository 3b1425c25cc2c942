# SPDX-License-Identifier: Apache-2.0
"""Simulates a transaction, then sends it through ape.

The simulation is a JSON-RPC call, because its error carries the whole revert data: a refusal names
the contract's own error and its values.
"""

from typing import Any

from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractContainer, ContractInstance
from ape.utils import ManagerAccessMixin
from eth_utils.conversions import to_hex
from hexbytes import HexBytes

from teetee.chain.contract_errors import decode_rejection
from teetee.chain.errors import RpcRefused

# ape's block number for a transaction that it did not wait for.
NOT_INCLUDED = -1


def simulate(sender: str, to: str | None, data: bytes) -> bytes:
    """The return data of a call made now. Raises `ContractRejected`, `RpcRefused`."""
    call = {"from": sender, "data": to_hex(data)} | ({"to": to} if to else {})
    # pending: an operation becomes due by time, and the next block has a later timestamp
    reply = ManagerAccessMixin.provider.web3.provider.make_request("eth_call", [call, "pending"])
    if "error" not in reply:
        return bytes(HexBytes(reply["result"]))
    error = reply["error"]
    revert = error.get("data")
    if isinstance(revert, str) and revert.startswith("0x"):
        raise decode_rejection(bytes(HexBytes(revert)))
    raise RpcRefused("eth_call", int(error.get("code", 0)), str(error.get("message", "")))


def call_data(contract: ContractInstance, function: str, *arguments: Any) -> bytes:
    """The calldata of one call."""
    return bytes(getattr(contract, function).encode_input(*arguments))


def send(
    account: AccountAPI, contract: ContractInstance, function: str, *arguments: Any
) -> ReceiptAPI:
    """Simulate, send, wait for the network's confirmations. Raises `ContractRejected`."""
    simulate(str(account.address), contract.address, call_data(contract, function, *arguments))
    receipt: ReceiptAPI = getattr(contract, function)(*arguments, sender=account)
    if receipt.block_number == NOT_INCLUDED:
        # ape does not wait on an anvil with a block time: it takes its blocks for mined by hand.
        return ManagerAccessMixin.provider.get_receipt(receipt.txn_hash)
    return receipt


def deploy(account: AccountAPI, container: ContractContainer, *arguments: Any) -> ContractInstance:
    """Simulate the constructor, then deploy. Raises `ContractRejected`."""
    creation = bytes(container.constructor.serialize_transaction(*arguments).data)
    simulate(str(account.address), None, creation)
    instance: ContractInstance = account.deploy(container, *arguments)
    return instance
