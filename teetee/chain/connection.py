# SPDX-License-Identifier: Apache-2.0
"""A connection to a chain: reads pinned to one block, contract errors decoded, every other failure
a `Retryable` or a `Fatal`.

Only this module, `nodes.provider`, `read_batch`, `logs`, `calldata` and `transactions` know web3.
They import it when they first use it, because it takes most of a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address

from teetee.chain.abi import load_abi
from teetee.chain.block_search import find_block
from teetee.chain.contract_errors import ContractRejected, decode_rejection
from teetee.chain.errors import BlockUnknown, RpcRefused, RpcUnavailable
from teetee.chain.nodes.node_failures import RetryPolicy
from teetee.chain.nodes.node_states import NodeState, OnDisagreement
from teetee.chain.read_batch import (
    Moment,
    ReadBatch,
    ViewAnswer,
    ViewCall,
    Views,
    decode_views,
    encode_views,
    split_views,
)
from teetee.chain.types.blocks import Block

if TYPE_CHECKING:
    from web3.contract import Contract
    from web3.exceptions import Web3RPCError
    from web3.types import TxParams

    from teetee.chain.calldata import Call

_LEAST_TIP = 1_000_000
"""Wei per gas, for a node that names no tip: what Base's blocks usually hold."""
_FEW_CALLS = 2
_SHORT_BYTES = 16_384
"""A node that cannot return this much from a program runs none. Longer answers may be above the
24,576 bytes that code may have."""
_PROGRAM_PAUSE_SECONDS = 60.0
"""A node that ran no program is asked again after so long: perhaps it only failed that once."""
_UNKNOWN_BLOCK_WORDS = (
    "header not found",
    "unknown block",
    "block not found",
    "blocknotfound",
    "outofrange",
    "header for hash not found",
    "not currently canonical",
    "resource not found",
)


class Connection:
    """One chain, reached through one or more nodes, of which a quorum must agree on every read.
    Thread-safe.

    Every call can raise `RpcUnavailable`, `NodesDisagree`, `WrongChain` and `RpcRefused`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        chain_id: int,
        timeout_seconds: float = 20.0,
        quorum: int | None = None,
        retry: RetryPolicy | None = None,
        on_disagreement: OnDisagreement | None = None,
    ) -> None:
        """`timeout_seconds`: for a whole call; `quorum`: how many nodes must agree, None for more
        than half; `on_disagreement`: an alarm, called from any thread.

        Raises `InsecureNode`, `QuorumInvalid`.
        """
        from web3 import Web3
        from web3.middleware import AttributeDictMiddleware

        from teetee.chain.nodes.provider import NodeProvider

        self.chain_id = chain_id
        self._provider = NodeProvider(
            urls,
            chain_id=chain_id,
            timeout_seconds=timeout_seconds,
            quorum=quorum,
            retry=retry,
            on_disagreement=on_disagreement,
        )
        # Of web3's usual middleware, one asks for the chain id before each call; the provider has
        # checked it. The others serve accounts, names and gas prices that are not used here.
        self.web3 = Web3(self._provider, middleware=[(AttributeDictMiddleware, "attrdict")])
        self.max_log_blocks: int | None = None
        """The range that the node accepts in eth_getLogs; None: not known to be limited."""
        self._no_programs_until = 0.0
        """Until then (monotonic, in s), the nodes are not asked to run programs."""

    def require_nodes(self) -> None:
        """Check that enough nodes answer and serve the chain."""
        self._provider.require_nodes()

    @property
    def node_states(self) -> tuple[NodeState, ...]:
        """Each node's answers, failures, contradictions and head, for metrics."""
        return self._provider.states

    def single_attempts(self) -> AbstractContextManager[None]:
        """In this block and thread, a node that fails is not asked again: for loops that poll."""
        return self._provider.single_attempts()

    def served_chain_id(self) -> int:
        """The id of the chain that the nodes serve now: what is behind a URL can change."""
        with translate_errors("eth_chainId", "latest"):
            return int(self.web3.eth.chain_id)

    def head(self) -> Block:
        """The newest block."""
        return self.block("latest")

    def finalized_head(self) -> Block:
        """The newest block behind which no reorganization reaches."""
        return self.block("finalized")

    def block(self, identifier: int | str | bytes) -> Block:
        """By number, hash or name. Raises `BlockUnknown`."""
        with translate_errors("eth_getBlock", identifier):
            found = self.web3.eth.get_block(identifier)  # type: ignore[arg-type]
        return Block(int(found["number"]), bytes(found["hash"]), int(found["timestamp"]))

    def first_block_at(self, timestamp: int, *, not_before: int = 0) -> Block | None:
        """The first block whose time is at least `timestamp`, found by bisection; None if there is
        none yet.
        """
        return find_block(self.block, self.head(), timestamp, not_before=not_before)

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
        return self.batch(at).add(contract, function, *arguments)()

    def batch(self, at: Block | None = None, *, with_moment: bool = False) -> ReadBatch:
        """Collects reads of one block, or of the head, and makes them in one call."""
        block = _pinned(at) if at else "latest"
        return ReadBatch(lambda calls: self._read_views(calls, block, with_moment))

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

    def estimate_gas(self, call: Call, sender: str) -> int:
        """Raises the error that sending it would end with."""
        with translate_errors("eth_estimateGas", "latest"):
            return int(self.web3.eth.estimate_gas(transaction_of(call, sender)))

    def transaction_count(self, address: str) -> int:
        """The next nonce, after the pending transactions that the node knows."""
        with translate_errors("eth_getTransactionCount", "pending"):
            found = self.web3.eth.get_transaction_count(to_checksum_address(address), "pending")
        return int(found)

    def included_count(self, address: str) -> int:
        """How many transactions of the account are included: its next nonce, pending ones aside."""
        with translate_errors("eth_getTransactionCount", "latest"):
            found = self.web3.eth.get_transaction_count(to_checksum_address(address), "latest")
        return int(found)

    def base_fee_and_tip(self) -> tuple[int, int]:
        """The newest block's base fee, and the tip that is usual now, in wei per gas."""
        with translate_errors("eth_getBlock", "latest"):
            base_fee = int(self.web3.eth.get_block("latest").get("baseFeePerGas", 0))
        return base_fee, self._usual_tip(base_fee)

    def transaction_input(self, transaction_hash: str) -> tuple[str, bytes]:
        """A transaction's recipient and calldata. Raises `BlockUnknown` if the node does not have
        it.
        """
        with translate_errors("eth_getTransactionByHash", transaction_hash):
            found = self.web3.eth.get_transaction(transaction_hash)  # type: ignore[arg-type]
        return str(found.get("to") or ""), bytes(found["input"])

    # ------------------------------------------------------------ private

    def _usual_tip(self, base_fee: int) -> int:
        """From the first of three methods that the node has."""
        with suppress(RpcRefused):
            return _wei(self._request("eth_maxPriorityFeePerGas"))
        with suppress(RpcRefused, TypeError, KeyError, IndexError):
            history = self._request("eth_feeHistory", "0x5", "latest", [50])
            rewards = [_wei(block[0]) for block in history["reward"]]
            return max(rewards, default=_LEAST_TIP)
        with suppress(RpcRefused):
            return max(_wei(self._request("eth_gasPrice")) - base_fee, _LEAST_TIP)
        return _LEAST_TIP

    def _request(self, method: str, *parameters: Any) -> Any:
        """A method that web3 has no name for, or another default. Raises `RpcRefused`."""
        endpoint: Any = method
        with translate_errors(method, "latest"):
            return self.web3.manager.request_blocking(endpoint, list(parameters))

    def _read_views(self, calls: Sequence[ViewCall], block: Any, with_moment: bool) -> Views:
        if len(calls) == 1 and not with_moment:
            return Views([self._read_view(calls[0], block)])
        found = [self._read_group(group, block) for group in split_views(calls)]
        moment = found[-1].moment
        if moment is None and with_moment:
            head = self.block(block["blockHash"] if isinstance(block, dict) else block)
            moment = Moment(head.number, head.timestamp)
        return Views([answer for views in found for answer in views.answers], moment)

    def _read_group(self, calls: Sequence[ViewCall], block: Any) -> Views:
        """In one call; in halves, if the node refuses it or the answer is too long for one."""
        tries_program = time.monotonic() >= self._no_programs_until
        views = self._run_program(calls, block) if tries_program else None
        if views is not None:
            return views
        if len(calls) > _FEW_CALLS:
            middle = len(calls) // 2
            halves = [self._read_group(part, block) for part in (calls[:middle], calls[middle:])]
            return Views([answer for views in halves for answer in views.answers])
        answers = [self._read_view(call, block) for call in calls]
        size = sum(len(answer) for answer in answers if isinstance(answer, bytes))
        if tries_program and size <= _SHORT_BYTES:
            self._no_programs_until = time.monotonic() + _PROGRAM_PAUSE_SECONDS
        return Views(answers)

    def _run_program(self, calls: Sequence[ViewCall], block: Any) -> Views | None:
        """None: the node does not run it."""
        program: Any = {"data": "0x" + encode_views(calls).hex()}
        try:
            with translate_errors("eth_call", block):
                answers = bytes(self.web3.eth.call(program, block))
        except (RpcRefused, ContractRejected):
            answers = b""
        return decode_views(answers, len(calls))

    def _read_view(self, call: ViewCall, block: Any) -> ViewAnswer:
        transaction: Any = {"to": to_checksum_address(call.address), "data": "0x" + call.data.hex()}
        try:
            with translate_errors("eth_call", block):
                return bytes(self.web3.eth.call(transaction, block))
        except ContractRejected as rejected:
            return rejected


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


def _wei(text: object) -> int:
    """Raises `RpcRefused` for anything but a JSON-RPC quantity."""
    try:
        return int(str(text), 16)
    except ValueError:
        raise RpcRefused("the fee", 0, f"{str(text)[:40]!r} is no amount") from None


def _pinned(block: Block) -> dict[str, Any]:
    """As EIP-1898 names a block: by its hash, as long as the chain has it."""
    return {"blockHash": "0x" + block.hash.hex(), "requireCanonical": True}


def _block_name(block: object) -> str:
    if isinstance(block, Mapping):
        return str(block["blockHash"])
    return "0x" + block.hex() if isinstance(block, bytes) else str(block)


def _revert_data(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return b""
