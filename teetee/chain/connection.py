# SPDX-License-Identifier: Apache-2.0
"""A connection to a chain: reads pinned to one block, contract errors decoded, every other failure
a `Retryable` or a `Fatal`.

Only this module, `provider`, `logs`, `calldata` and `transactions` know web3. They import it when
they first use it, because it takes most of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address

from teetee.chain.abi import load_abi
from teetee.chain.contract_errors import decode_rejection
from teetee.chain.errors import BlockUnknown, NoContract, RpcRefused, RpcUnavailable
from teetee.chain.types.blocks import Block

if TYPE_CHECKING:
    from web3.contract import Contract
    from web3.exceptions import Web3RPCError
    from web3.types import TxParams

    from teetee.chain.calldata import Call

_UNKNOWN_BLOCK_WORDS = (
    "header not found",
    "unknown block",
    "block not found",
    "blocknotfound",
    "outofrange",
)


class Connection:
    """One chain, reached through one or more URLs in order of preference. Thread-safe.

    Every call can raise `RpcUnavailable`, `WrongChain` and `RpcRefused`.
    """

    def __init__(
        self, urls: Sequence[str], *, chain_id: int, timeout_seconds: float = 20.0
    ) -> None:
        from web3 import Web3

        from teetee.chain.provider import FailoverProvider

        self.chain_id = chain_id
        self.web3 = Web3(FailoverProvider(urls, chain_id=chain_id, timeout_seconds=timeout_seconds))

    def head(self) -> Block:
        """The newest block."""
        return self.block("latest")

    def safe_head(self) -> Block:
        """The newest block that the chain considers safe from reorganizations."""
        return self.block("safe")

    def block(self, identifier: int | str | bytes) -> Block:
        """By number, hash or name. Raises `BlockUnknown`."""
        with translate_errors("eth_getBlock", identifier):
            found = self.web3.eth.get_block(identifier)  # type: ignore[arg-type]
        return Block(int(found["number"]), bytes(found["hash"]), int(found["timestamp"]))

    def first_block_at(self, timestamp: int, *, not_before: int = 0) -> Block | None:
        """The first block whose time is at least `timestamp`, found by bisection; None if there is
        none yet.
        """
        newest = self.head()
        if newest.timestamp < timestamp:
            return None
        first, last = not_before, newest.number
        while first < last:
            middle = (first + last) // 2
            if self.block(middle).timestamp < timestamp:
                first = middle + 1
            else:
                last = middle
        return self.block(first)

    def contract(self, name: str, address: str) -> Contract:
        """A contract by the name of its ABI."""
        return self.web3.eth.contract(
            address=to_checksum_address(address), abi=load_abi(name), decode_tuples=True
        )

    def read(
        self, contract: Contract, function: str, *arguments: Any, at: Block | None = None
    ) -> Any:
        """Call a view function, at one block or at the head. Raises `ContractRejected`,
        `BlockUnknown`, `NoContract`.
        """
        from web3.exceptions import BadFunctionCallOutput

        bound = contract.functions[function](*arguments)
        block: Any = at.hash if at else "latest"
        with translate_errors("eth_call", block):
            try:
                return bound.call(block_identifier=block)
            except BadFunctionCallOutput:
                raise NoContract(f"contract with {function}", str(contract.address)) from None

    def simulate(self, call: Call, sender: str, at: Block | None = None) -> None:
        """Run a call without sending it, at the head or on the state after a block.

        Raises the error that sending it would end with.
        """
        block: Any = at.number if at else "latest"
        with translate_errors("eth_call", block):
            self.web3.eth.call(transaction_of(call, sender), block)

    def ether_of(self, address: str) -> int:
        """An address's ETH at the head, in wei."""
        with translate_errors("eth_getBalance", "latest"):
            return int(self.web3.eth.get_balance(to_checksum_address(address)))

    def transaction_input(self, transaction_hash: str) -> tuple[str, bytes]:
        """A transaction's recipient and calldata. Raises `BlockUnknown` if the node does not have
        it.
        """
        with translate_errors("eth_getTransactionByHash", transaction_hash):
            found = self.web3.eth.get_transaction(transaction_hash)  # type: ignore[arg-type]
        return str(found.get("to") or ""), bytes(found["input"])


def transaction_of(call: Call, sender: str) -> TxParams:
    """A call as a transaction without nonce, gas and fees."""
    transaction: Any = {
        "from": to_checksum_address(sender),
        "to": to_checksum_address(call.to),
        "data": "0x" + call.data.hex(),
        "value": call.value,
    }
    found: TxParams = transaction
    return found


@contextmanager
def translate_errors(method: str, block: object) -> Iterator[None]:
    """Raises this package's errors in place of web3's."""
    from web3.exceptions import (
        BadResponseFormat,
        BlockNotFound,
        ContractCustomError,
        ContractLogicError,
        TransactionNotFound,
        Web3RPCError,
    )

    try:
        yield
    except (BlockNotFound, TransactionNotFound):
        raise BlockUnknown(_block_name(block)) from None
    except (ContractCustomError, ContractLogicError) as error:
        data = error.data if isinstance(error.data, str) else "0x"
        raise decode_rejection(_revert_data(data)) from None
    except BadResponseFormat:
        raise RpcUnavailable({"the node": f"no valid JSON-RPC answer to {method}"}) from None
    except Web3RPCError as error:
        code, message = code_and_message(error)
        if any(word in message.lower() for word in _UNKNOWN_BLOCK_WORDS):
            raise BlockUnknown(_block_name(block)) from None
        raise RpcRefused(method, code, message) from None


def code_and_message(error: Web3RPCError) -> tuple[int, str]:
    """Of the node's error response."""
    answer = (error.rpc_response or {}).get("error")
    if isinstance(answer, dict):
        return int(answer.get("code", 0)), str(answer.get("message", ""))
    return 0, str(answer)


def _block_name(block: object) -> str:
    return "0x" + block.hex() if isinstance(block, bytes) else str(block)


def _revert_data(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return b""
