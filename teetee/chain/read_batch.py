# SPDX-License-Identifier: Apache-2.0
"""Many reads of contracts in one `eth_call`.

The call has no recipient: its data is a program that the node runs as the creation code of a
contract, and whose result is the answers. That needs no contract on the chain, so it works on every
chain alike; signatures of undeployed accounts are verified in the same way (ERC-6492).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eth_utils.address import to_canonical_address

from teetee.chain.contract_errors import ContractRejected, decode_rejection
from teetee.chain.errors import NoContract

if TYPE_CHECKING:
    from web3.contract import Contract

MAX_PROGRAM_BYTES: Final = 48_000
"""Less than the 49,152 that creation code may have (EIP-3860)."""

# Memory: block number, time, and from byte 64 the answers; the next answer's place also takes the
# call's data. Stack, its top last: position in the code, end of the answers.
_PROGRAM: Final = bytes.fromhex(
    "6056"  # the first call's position
    "435f52426020526040"  # write block number and time; the end of the answers
    "5b"  # byte 11, next call:
    "8138111560" + "5357"  # if no code is left, go to byte 83
    "6018828239"  # copy address (20 bytes) and length (4 bytes) of the call to the end
    "8051"  # [position, end, header]
    "8060401c63ffffffff16"  # [position, end, header, length]
    "9060601c"  # [position, end, length, address]
    "92601801"  # [address, end, length, position of the data]
    "81818439"  # copy the data to the end
    "8101"  # [address, end, length, position of the next call]
    "92"  # [position, end, length, address]
    "5f5f838584" + "5afa"  # STATICCALL with all gas
    "8352"  # write whether it succeeded,
    "3d8360200152"  # the length of its answer,
    "3d5f846040013e"  # and the answer
    "5050"
    "3d01604001"  # [position, end]
    "600b56"  # repeat from byte 11
    "5b5ff3"  # byte 83: return everything
)


@dataclass(frozen=True, slots=True)
class ViewCall:
    """A call of a view function."""

    address: str
    data: bytes


ViewAnswer = bytes | ContractRejected
"""What a view returned, undecoded; or the error that it refused with."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The block that was read, by number and time (Unix seconds)."""

    block_number: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Views:
    """The answers to several calls of one block."""

    answers: list[ViewAnswer]
    moment: Moment | None = None
    """When; None: not asked for."""


def encode_views(calls: Sequence[ViewCall]) -> bytes:
    """The program that makes these calls."""
    parts = [_PROGRAM]
    for call in calls:
        parts += [to_canonical_address(call.address), len(call.data).to_bytes(4), call.data]
    return b"".join(parts)


def decode_views(answers: bytes, count: int) -> Views | None:
    """The answers to `count` calls; None if the node did not run the program."""
    number, timestamp = int.from_bytes(answers[:32]), int.from_bytes(answers[32:64])
    found: list[ViewAnswer] = []
    position = 64
    while len(found) < count:
        head, position = answers[position : position + 64], position + 64
        if len(head) < 64:
            return None
        has_succeeded, size = int.from_bytes(head[:32]), int.from_bytes(head[32:])
        data, position = answers[position : position + size], position + size
        if len(data) < size or has_succeeded > 1:
            return None
        found.append(data if has_succeeded else decode_rejection(data))
    return Views(found, Moment(number, timestamp)) if position == len(answers) else None


def split_views(calls: Sequence[ViewCall]) -> list[list[ViewCall]]:
    """The calls in their order, in groups that fit into one program."""
    groups: list[list[ViewCall]] = [[]]
    size = len(_PROGRAM)
    for call in calls:
        grown = size + 24 + len(call.data)
        if grown > MAX_PROGRAM_BYTES and groups[-1]:
            groups.append([])
            grown = len(_PROGRAM) + 24 + len(call.data)
        groups[-1].append(call)
        size = grown
    return groups


Later = Callable[[], Any]
"""Gives the value once it is read, or raises what the read raised."""


class ReadBatch:
    """Collects reads of one block, and makes them together when the first value is asked for."""

    def __init__(self, run: Callable[[Sequence[ViewCall]], Views]) -> None:
        self._run = run
        self._calls: list[ViewCall] = []
        self._answers: list[ViewAnswer] = []
        self._moment: Moment | None = None

    @property
    def moment(self) -> Moment:
        """The block that was read. Only of a batch that was made `with_moment`."""
        self._require_read()
        assert self._moment is not None
        return self._moment

    def add(self, contract: Contract, function: str, *arguments: Any) -> Later:
        """Read a view function. The value's getter raises `ContractRejected`, `NoContract`, and
        the connection's errors.
        """
        data = bytes.fromhex(contract.encode_abi(function, args=list(arguments))[2:])
        answer = self.add_call(ViewCall(str(contract.address), data))
        return lambda: decode_answer(contract, function, answer())

    def add_call(self, call: ViewCall) -> Callable[[], bytes]:
        """Call any address; the getter gives the bytes that it returned."""
        position = len(self._calls)
        self._calls.append(call)

        def get() -> bytes:
            self._require_read()
            answer = self._answers[position]
            if isinstance(answer, ContractRejected):
                raise answer
            return answer

        return get

    def _require_read(self) -> None:
        if len(self._answers) < len(self._calls):
            views = self._run(self._calls[len(self._answers) :])
            self._answers += views.answers
            self._moment = views.moment


def decode_answer(contract: Contract, function: str, data: bytes) -> Any:
    """The value that a view returned, as web3 gives it. Raises `NoContract`."""
    from eth_utils.abi import get_abi_output_types
    from web3.contract.utils import format_contract_call_return_data_curried
    from web3.exceptions import BadFunctionCallOutput

    abi = contract.get_function_by_name(function).abi
    types = get_abi_output_types(abi)
    try:
        return format_contract_call_return_data_curried(
            contract.w3, True, abi, function, (), types, data
        )
    except BadFunctionCallOutput:
        raise NoContract(f"contract with {function}", str(contract.address)) from None
