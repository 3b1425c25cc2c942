# SPDX-License-Identifier: Apache-2.0
"""A node, or several: reads pinned to one block, refusals decoded, everything else a `Retryable` or
a `Fatal`.

web3 and its exceptions stay behind this module and `transactions`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_typing import Hash32, HexStr
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import (
    BadFunctionCallOutput,
    BadResponseFormat,
    BlockNotFound,
    ContractCustomError,
    ContractLogicError,
    TransactionNotFound,
    Web3RPCError,
)
from web3.types import TxParams, Wei

from teetee.chain.abi import load_abi
from teetee.chain.calldata import Call
from teetee.chain.contract_errors import decode_rejection
from teetee.chain.errors import BlockUnknown, NoContract, RpcRefused, RpcUnavailable
from teetee.chain.provider import FailoverProvider

_UNKNOWN_BLOCK_WORDS = (
    "header not found",
    "unknown block",
    "block not found",
    "blocknotfound",
    "outofrange",
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block that reads can be pinned to."""

    number: int
    hash: bytes
    timestamp: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Log:
    """A decoded event."""

    event: str
    arguments: Mapping[str, Any]
    """Structs are mappings too; bytes are bytes, addresses checksummed."""
    block_number: int
    transaction_hash: str
    index: int
    """Position in its block."""


class Connection:
    """One chain, through one or more URLs, in order of preference. Use from several threads is
    safe.

    Every call raises `RpcUnavailable`, `WrongChain`, `RpcRefused` besides what it names.
    """

    def __init__(self, urls: Sequence[str], *, chain_id: int, timeout: float = 20.0) -> None:
        self.chain_id = chain_id
        self.web3 = Web3(FailoverProvider(urls, chain_id=chain_id, timeout=timeout))

    def head(self) -> Block:
        """The newest block."""
        return self.block("latest")

    def safe_head(self) -> Block:
        """The newest block which the chain calls safe: good for the books."""
        return self.block("safe")

    def block(self, identifier: int | str | bytes) -> Block:
        """By number, hash or name. Raises `BlockUnknown`."""
        with translate_errors("eth_getBlock", identifier):
            found = self.web3.eth.get_block(identifier)  # type: ignore[arg-type]
        return Block(int(found["number"]), bytes(found["hash"]), int(found["timestamp"]))

    def first_block_at(self, timestamp: int, *, not_before: int = 0) -> Block | None:
        """The first block whose time is at least `timestamp`, by bisection; None: there is none
        yet.
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
            address=Web3.to_checksum_address(address), abi=load_abi(name), decode_tuples=True
        )

    def read(
        self, contract: Contract, function: str, *arguments: Any, at: Block | None = None
    ) -> Any:
        """A view, at one block or at the head. Raises `ContractRejected`, `BlockUnknown`,
        `NoContract`.
        """
        bound = contract.functions[function](*arguments)
        block = Hash32(at.hash) if at else None
        with translate_errors("eth_call", at.hash if at else "latest"):
            try:
                return bound.call(block_identifier=block or "latest")
            except BadFunctionCallOutput:
                raise NoContract(f"contract with {function}", str(contract.address)) from None

    def simulate(self, call: Call, sender: str, at: Block | None = None) -> None:
        """Run a call without sending it, at the head or on the state after a block.

        Raises what it would be refused with.
        """
        transaction: TxParams = {
            "from": Web3.to_checksum_address(sender),
            "to": Web3.to_checksum_address(call.to),
            "data": HexStr("0x" + call.data.hex()),
            "value": Wei(call.value),
        }
        where = at.number if at else "latest"
        with translate_errors("eth_call", where):
            self.web3.eth.call(transaction, where)  # type: ignore[arg-type]

    def transaction_input(self, transaction_hash: str) -> tuple[str, bytes]:
        """Whom a transaction called, and with what. Raises `BlockUnknown` when the node does not
        have it.
        """
        with translate_errors("eth_getTransactionByHash", transaction_hash):
            found = self.web3.eth.get_transaction(transaction_hash)  # type: ignore[arg-type]
        return str(found.get("to") or ""), bytes(found["input"])


@contextmanager
def translate_errors(method: str, block: object) -> Iterator[None]:
    """Our errors for web3's."""
    try:
        yield
    except (BlockNotFound, TransactionNotFound):
        raise BlockUnknown(_named(block)) from None
    except (ContractCustomError, ContractLogicError) as error:
        data = error.data if isinstance(error.data, str) else "0x"
        raise decode_rejection(_revert_data(data)) from None
    except BadResponseFormat:
        raise RpcUnavailable({"the node": f"no valid JSON-RPC answer to {method}"}) from None
    except Web3RPCError as error:
        code, message = code_and_message(error)
        if any(word in message.lower() for word in _UNKNOWN_BLOCK_WORDS):
            raise BlockUnknown(_named(block)) from None
        raise RpcRefused(method, code, message) from None


def code_and_message(error: Web3RPCError) -> tuple[int, str]:
    """Code and message of the node's answer."""
    answer = (error.rpc_response or {}).get("error")
    if isinstance(answer, dict):
        return int(answer.get("code", 0)), str(answer.get("message", ""))
    return 0, str(answer)


def every_page(read: Callable[[int], tuple[Sequence[int], int]]) -> Iterator[int]:
    """All ids of a view which gives a page and the next cursor, zero being the last."""
    cursor = 0
    while True:
        ids, cursor = read(cursor)
        yield from ids
        if cursor == 0:
            return


def _named(block: object) -> str:
    return "0x" + block.hex() if isinstance(block, bytes) else str(block)


def _revert_data(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return b""
