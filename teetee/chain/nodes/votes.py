# SPDX-License-Identifier: Apache-2.0
"""Whether nodes say the same. Pure.

What nodes agree on is the value that is returned: fields that are not compared are dropped, so that
no single node can add one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from teetee.chain.nodes.node import Response
from teetee.chain.nodes.node_failures import NodeFailure

_BLOCK_FIELDS: Final = ("number", "hash", "timestamp", "baseFeePerGas")
_LOG_FIELDS: Final = (
    *("address", "topics", "data", "blockNumber", "blockHash"),
    *("transactionHash", "transactionIndex", "logIndex"),
)
_RECEIPT_FIELDS: Final = (
    *("transactionHash", "blockNumber", "blockHash", "gasUsed", "effectiveGasPrice"),
    *("status", "logs"),
)
_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "eth_getBlockByNumber": _BLOCK_FIELDS,
    "eth_getBlockByHash": _BLOCK_FIELDS,
    "eth_getTransactionByHash": ("hash", "input", "to"),
    "eth_getTransactionReceipt": _RECEIPT_FIELDS,
    "eth_getLogs": _LOG_FIELDS,
}
_SHORT_CHARACTERS: Final = 24


@dataclass(frozen=True, slots=True)
class Value:
    """What a node says: a result, or that a call reverts."""

    response: Response
    """Without what is not compared."""
    key: str
    """Equal for equal values."""


@dataclass(frozen=True, slots=True)
class NoValue:
    """A node that does not have what was asked for, or refuses the call."""

    response: Response

    @property
    def is_refusal(self) -> bool:
        """Whether the node refuses, rather than has nothing."""
        return self.response.get("error") is not None


Vote = Value | NoValue | NodeFailure


def vote_of(method: str, answer: Response | NodeFailure) -> Vote:
    """What an answer counts for."""
    if isinstance(answer, NodeFailure):
        return answer
    error = answer.get("error")
    if error is not None:
        data = _revert_data(error)
        if data is None:
            return NoValue(answer)
        reverted = {"code": 3, "message": "execution reverted", "data": data}
        return Value({**_ENVELOPE, "error": reverted}, f"revert {data}")
    if answer.get("result") is None:
        return NoValue({**_ENVELOPE, "result": None})
    result = _compared(method, answer["result"])
    return Value({**_ENVELOPE, "result": result}, json.dumps(result, sort_keys=True))


_ENVELOPE: Final = {"jsonrpc": "2.0", "id": 0}


@dataclass(frozen=True, slots=True)
class Tally:
    """The votes on one question, by node; some may still be missing."""

    votes: Mapping[str, Vote]
    needed: int

    def agreed(self) -> Response | None:
        """What enough nodes say: a value, that there is none, or that they refuse.

        Those without a value outvote no value: of them, one may lie and another be behind.
        """
        has_values = any(isinstance(vote, Value) for vote in self.votes.values())
        counts: dict[str, list[Response]] = {}
        for vote in self.votes.values():
            if isinstance(vote, NodeFailure) or (has_values and isinstance(vote, NoValue)):
                continue
            key = vote.key if isinstance(vote, Value) else f"none {vote.is_refusal}"
            counts.setdefault(key, []).append(vote.response)
        for responses in counts.values():
            if len(responses) >= self.needed:
                return responses[0]
        return None

    def without_value(self) -> Response | None:
        """When enough nodes answer and no two contradict each other: the refusal of one, or that
        one has nothing.
        """
        silent = [vote for vote in self.votes.values() if isinstance(vote, NoValue)]
        answered = sum(not isinstance(vote, NodeFailure) for vote in self.votes.values())
        if not silent or answered < self.needed or self.contradictions():
            return None
        return min(silent, key=lambda vote: not vote.is_refusal).response

    @property
    def is_contested(self) -> bool:
        """Whether some nodes have nothing where others give a value: those may be behind."""
        kinds = {type(vote) for vote in self.votes.values()}
        return {Value, NoValue} <= kinds

    @property
    def is_without_value(self) -> bool:
        """Whether no node gives a value, and some answer."""
        kinds = {type(vote) for vote in self.votes.values()}
        return NoValue in kinds and Value not in kinds

    def contradictions(self) -> dict[str, str]:
        """What each node says, shortened; empty unless two say different values."""
        values = {name: vote for name, vote in self.votes.items() if isinstance(vote, Value)}
        if len({value.key for value in values.values()}) < 2:
            return {}
        return {name: _shortened(value) for name, value in values.items()}

    @property
    def failures(self) -> dict[str, NodeFailure]:
        """Why nodes gave no answer."""
        return {n: vote for n, vote in self.votes.items() if isinstance(vote, NodeFailure)}


def block_number(vote: Vote) -> int | None:
    """Of a block; None: the node gave none."""
    if not isinstance(vote, Value) or "error" in vote.response:
        return None
    return int(vote.response["result"]["number"], 16)


def _compared(method: str, result: Any) -> Any:
    fields = _FIELDS.get(method)
    if fields is None:
        return _lowered(result)
    if isinstance(result, list):
        entries = [_chosen(each, fields) for each in result]
        return sorted(entries, key=lambda log: (int(log["blockNumber"], 16), _index(log)))
    return _chosen(result, fields)


def _chosen(value: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    found = {name: _lowered(value[name]) for name in fields if value.get(name) is not None}
    if "logs" in found:
        found["logs"] = [_chosen(log, _LOG_FIELDS) for log in value["logs"]]
    return found


def _index(log: Mapping[str, Any]) -> int:
    return int(log["logIndex"], 16)


def _lowered(value: Any) -> Any:
    """Hex in one case, at every depth."""
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, list):
        return [_lowered(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _lowered(each) for name, each in value.items()}
    return value


def _revert_data(error: Any) -> str | None:
    """None: the error is no revert."""
    if not isinstance(error, Mapping):
        return None
    data = error.get("data")
    if isinstance(data, Mapping):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x") and error.get("code") in (3, -32000):
        return data.lower()
    return "0x" if "revert" in str(error.get("message", "")).lower() else None


def _shortened(value: Value) -> str:
    result = value.response.get("result")
    if isinstance(result, Mapping) and "number" in result:
        return f"block {int(result['number'], 16)} {result['hash'][:10]}…"
    text = result if isinstance(result, str) else value.key
    if len(text) <= _SHORT_CHARACTERS:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text[:10]}… (SHA-256 {digest}…)"
