# SPDX-License-Identifier: Apache-2.0
"""How a node misbehaves: it fails, asks for fewer calls, lags, or lies."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

EVERYBODY = "all"
SLOW_SECONDS = 1.5
SILENT_SECONDS = 30.0

Call = dict[str, Any]
Forward = Callable[[Call], Awaitable[dict[str, Any]]]
"""Asks the real node."""


class NoReply(Exception):
    """The connection is closed without a reply."""


@dataclass(frozen=True)
class HttpReply:
    """A reply of the node."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Misbehaviour(Protocol):
    """Answers in place of the real node."""

    async def answer(self, call: Call, forward: Forward) -> HttpReply: ...


def _json(call: Call, content: Mapping[str, Any]) -> HttpReply:
    body = {"jsonrpc": "2.0", "id": call.get("id"), **content}
    return HttpReply(200, json.dumps(body).encode())


def _error(call: Call, code: int, message: str) -> HttpReply:
    return _json(call, {"error": {"code": code, "message": message}})


@dataclass(frozen=True)
class Failing:
    """Gives no usable answer."""

    how: str

    async def answer(self, call: Call, forward: Forward) -> HttpReply:
        match self.how:
            case "http":
                return HttpReply(503, b"upstream connect error")
            case "json":
                return _error(call, -32603, "internal error")
            case "garbage":
                return HttpReply(200, b"<html>504 Gateway Time-out</html>")
            case "empty":
                return HttpReply(200, b"")
            case "slow":
                await asyncio.sleep(SLOW_SECONDS)
                return _json(call, await forward(call))
            case "silent":
                await asyncio.sleep(SILENT_SECONDS)
        raise NoReply


@dataclass(frozen=True)
class Limiting:
    """Asks for fewer calls."""

    how: str

    async def answer(self, call: Call, _forward: Forward) -> HttpReply:
        if self.how == "http":
            return HttpReply(429, b"too many requests", {"Retry-After": "1"})
        return _error(call, -32005, "rate limit exceeded")


@dataclass(frozen=True)
class Lagging:
    """Shows the chain as it was `blocks` before."""

    blocks: int

    async def answer(self, call: Call, forward: Forward) -> HttpReply:
        asked = {"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []}
        head = int((await forward(asked))["result"], 16) - self.blocks
        method, parameters = call["method"], list(call.get("params") or [])
        if method == "eth_blockNumber":
            return _json(call, {"result": hex(head)})
        if method == "eth_getLogs":
            wanted = dict(parameters[0])
            last = wanted.get("toBlock", "latest")
            if last == "latest" or int(last, 16) > head:
                wanted["toBlock"] = hex(head)
            return _json(call, await forward({**call, "params": [wanted]}))
        place = _BLOCK_PARAMETER.get(method)
        if place is not None and place < len(parameters):
            parameters[place] = _not_after(parameters[place], head)
            if parameters[place] is None:
                if method == "eth_getBlockByNumber":
                    return _json(call, {"result": None})
                return _error(call, -32000, "header not found")
        reply = await forward({**call, "params": parameters})
        return _json(call, _hidden_after(method, reply, head))


_BLOCK_PARAMETER = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getBlockByNumber": 0,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
}


def _not_after(identifier: Any, head: int) -> Any:
    """The same block, or None if the node does not have it yet."""
    if identifier in ("latest", "pending"):
        return hex(head)
    is_number = isinstance(identifier, str) and identifier.startswith("0x")
    return None if is_number and len(identifier) < 66 and int(identifier, 16) > head else identifier


def _hidden_after(method: str, reply: dict[str, Any], head: int) -> dict[str, Any]:
    result = reply.get("result")
    if method in ("eth_getTransactionReceipt", "eth_getTransactionByHash", "eth_getBlockByHash"):
        number = (result or {}).get("number" if method.endswith("ByHash") else "blockNumber")
        number = number or (result or {}).get("blockNumber")
        if number is not None and int(number, 16) > head:
            return {"result": None}
    return {name: reply[name] for name in ("result", "error") if name in reply}


@dataclass(frozen=True)
class Lying:
    """Answers plausibly and wrongly about one thing."""

    about: str

    async def answer(self, call: Call, forward: Forward) -> HttpReply:
        reply = await forward(call)
        if reply.get("result") is not None:
            reply["result"] = self._lie(call["method"], reply["result"])
        return _json(call, {name: reply[name] for name in ("result", "error") if name in reply})

    def _lie(self, method: str, truth: Any) -> Any:
        match self.about, method:
            case "state", "eth_call" | "eth_getBalance" | "eth_getTransactionCount":
                return _flipped(truth)
            case "head", "eth_blockNumber":
                return hex(int(truth, 16) + 7)
            case "head", "eth_getBlockByNumber":
                forged = hashlib.sha256(str(truth["hash"]).encode()).hexdigest()
                return {**truth, "number": hex(int(truth["number"], 16) + 7), "hash": "0x" + forged}
            case "logs", "eth_getLogs":
                return truth[:-1]
            case "receipt", "eth_getTransactionReceipt":
                return {**truth, "status": "0x0" if truth["status"] == "0x1" else "0x1"}
            case "chain", "eth_chainId":
                return "0x1"
            case "fees", "eth_maxPriorityFeePerGas" | "eth_gasPrice" | "eth_estimateGas":
                return hex(int(truth, 16) * 1000)
            case _:
                return truth


def _flipped(data: str) -> str:
    """One digit is another one; the length stays."""
    if len(data) <= 2:
        return data
    place = 2 + (len(data) - 2) * 2 // 3
    return data[:place] + ("1" if data[place] != "1" else "2") + data[place + 1 :]
