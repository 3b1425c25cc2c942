# SPDX-License-Identifier: Apache-2.0
"""What a node's answer must look like before web3 reads it: web3 fails in many ways on `null`, `[]`
or a number where it expects a block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")

Shape = Callable[[object], bool]


class AnswerMalformed(ValueError):
    """Not an answer to that method. The message is a clause about the answer."""


def require_answer(method: str, answer: object) -> None:
    """Raises `AnswerMalformed` unless it is a JSON-RPC answer, with a result as `method` has it."""
    if not isinstance(answer, Mapping) or not {"result", "error"} & answer.keys():
        raise AnswerMalformed(f"is {_named(answer)} instead of a JSON-RPC answer")
    if answer.get("error") is not None or method not in _RESULTS:
        return
    expected, fits = _RESULTS[method]
    if not fits(answer.get("result")):
        raise AnswerMalformed(
            f"to {method} has {_named(answer.get('result'))} as result instead of {expected}"
        )


def _named(value: object) -> str:
    """For messages: what was found, not all of it."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object without the expected fields" if value else "an empty object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return repr(value)[:40]


def _is_quantity(value: object) -> bool:
    return isinstance(value, str) and _QUANTITY.fullmatch(value) is not None


def _is_data(value: object) -> bool:
    return isinstance(value, str) and _DATA.fullmatch(value) is not None


def _is_address(value: object) -> bool:
    return _is_data(value) and len(str(value)) == 42


def _is_hash(value: object) -> bool:
    return _is_data(value) and len(str(value)) == 66


def _object_of(**fields: Shape) -> Shape:
    def fits(value: object) -> bool:
        return isinstance(value, Mapping) and all(
            shape(value.get(name)) for name, shape in fields.items()
        )

    return fits


def _list_of(shape: Shape) -> Shape:
    return lambda value: isinstance(value, list) and all(shape(each) for each in value)


def _or_null(shape: Shape) -> Shape:
    return lambda value: value is None or shape(value)


_LOG = _object_of(
    address=_is_address,
    topics=_list_of(_is_hash),
    data=_is_data,
    blockNumber=_is_quantity,
    transactionHash=_is_hash,
    logIndex=_is_quantity,
)
_BLOCK = _object_of(
    number=_is_quantity,
    hash=_is_hash,
    timestamp=_is_quantity,
    baseFeePerGas=_or_null(_is_quantity),
)
_TRANSACTION = _object_of(hash=_is_hash, input=_is_data, to=_or_null(_is_address))
_RECEIPT = _object_of(
    transactionHash=_is_hash,
    blockNumber=_is_quantity,
    blockHash=_is_hash,
    gasUsed=_is_quantity,
    effectiveGasPrice=_or_null(_is_quantity),
    status=_is_quantity,
    logs=_list_of(_LOG),
)

_NUMBER: Final[tuple[str, Shape]] = ("a number as hex with 0x", _is_quantity)
_BYTES: Final[tuple[str, Shape]] = ("bytes as hex with 0x", _is_data)
_RESULTS: Final[Mapping[str, tuple[str, Shape]]] = {
    "eth_chainId": _NUMBER,
    "eth_blockNumber": _NUMBER,
    "eth_gasPrice": _NUMBER,
    "eth_maxPriorityFeePerGas": _NUMBER,
    "eth_getBalance": _NUMBER,
    "eth_estimateGas": _NUMBER,
    "eth_getTransactionCount": _NUMBER,
    "eth_call": _BYTES,
    "eth_getCode": _BYTES,
    "eth_sendRawTransaction": ("a transaction hash", _is_hash),
    "eth_getBlockByNumber": ("a block, or null", _or_null(_BLOCK)),
    "eth_getBlockByHash": ("a block, or null", _or_null(_BLOCK)),
    "eth_getTransactionByHash": ("a transaction, or null", _or_null(_TRANSACTION)),
    "eth_getTransactionReceipt": ("a receipt, or null", _or_null(_RECEIPT)),
    "eth_getLogs": ("a list of logs", _list_of(_LOG)),
}
