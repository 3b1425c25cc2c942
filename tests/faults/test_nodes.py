# SPDX-License-Identifier: Apache-2.0
"""Nodes that misbehave to one enclave or to all.

given a node that lags
    it should show no block, event or receipt after its head
given a node that lies
    its answer should differ from the chain's in what it lies about, and in nothing else
given a node that fails
    it should give no usable answer
given one enclave's view
    the others should see the chain
"""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.event_loop import EventLoop
from tests.faults.misbehaviour import Failing, Lagging, Limiting, Lying, Misbehaviour
from tests.faults.nodes import Nodes
from tests.teetee.chain.rpc_proxy import node

HEAD = 100
BLOCK = {"number": hex(HEAD), "hash": "0x" + "11" * 32}


def _chain(method: str, parameters: list[Any]) -> Any:
    match method:
        case "eth_blockNumber":
            return hex(HEAD)
        case "eth_getBlockByNumber":
            number = parameters[0] if parameters[0] != "latest" else hex(HEAD)
            return {**BLOCK, "number": number}
        case "eth_getTransactionReceipt":
            return {"blockNumber": hex(HEAD), "status": "0x1"}
        case "eth_getLogs":
            return [parameters[0]]
        case "eth_call":
            return "0x" + "00" * 64
        case _:
            return "0x7a69"


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    loop = EventLoop()
    with node(_chain) as url:
        yield Nodes(loop, int(url.rsplit(":", 1)[1]), 2)
    loop.close()


def ask(nodes: Nodes, caller: str, method: str, *parameters: Any, node: int = 0) -> Any:
    url = nodes.urls(caller).split(",")[node]
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(parameters)}
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=5) as reply:
        answer = json.load(reply)
    assert answer["id"] == 7
    return answer.get("result", answer.get("error"))


def test_lag__of_three_blocks__hides_what_is_newer(nodes: Nodes) -> None:
    nodes.misbehave("entry@0", Lagging(3))
    assert ask(nodes, "entry", "eth_blockNumber") == hex(HEAD - 3)
    assert ask(nodes, "entry", "eth_getBlockByNumber", "latest", False)["number"] == hex(HEAD - 3)
    assert ask(nodes, "entry", "eth_getBlockByNumber", hex(HEAD), False) is None
    assert ask(nodes, "entry", "eth_getTransactionReceipt", "0x00") is None
    assert ask(nodes, "entry", "eth_getLogs", {"toBlock": "latest"}) == [{"toBlock": hex(HEAD - 3)}]


def test_misbehaviour__to_one_caller_at_one_node__others_see_the_chain(nodes: Nodes) -> None:
    nodes.misbehave("entry@0", Lagging(3))
    assert ask(nodes, "second", "eth_blockNumber") == hex(HEAD)
    assert ask(nodes, "entry", "eth_blockNumber", node=1) == hex(HEAD)
    nodes.heal("entry@0")
    assert ask(nodes, "entry", "eth_blockNumber") == hex(HEAD)


@pytest.mark.parametrize(
    ("about", "method"),
    [
        ("state", "eth_call"),
        ("head", "eth_blockNumber"),
        ("logs", "eth_getLogs"),
        ("receipt", "eth_getTransactionReceipt"),
        ("chain", "eth_chainId"),
        ("fees", "eth_gasPrice"),
    ],
)
def test_lie__about_one_thing__is_told_to_everybody(nodes: Nodes, about: str, method: str) -> None:
    truth = ask(nodes, "entry", method, {})
    nodes.misbehave("all@1", Lying(about))
    assert ask(nodes, "entry", method, {}, node=1) != truth
    assert ask(nodes, "entry", method, {}, node=0) == truth
    assert ask(nodes, "entry", "eth_gasPrice", node=1) == (
        "0x7a69" if about != "fees" else hex(0x7A69 * 1000)
    )


@pytest.mark.parametrize(
    "behaviour",
    [*(Failing(how) for how in ("http", "garbage", "empty", "closed")), Limiting("http")],
    ids=["http", "garbage", "empty", "closed", "429"],
)
def test_failure__of_every_node__gives_no_answer(nodes: Nodes, behaviour: Misbehaviour) -> None:
    nodes.misbehave("entry@all", behaviour)
    for number in range(2):
        with pytest.raises((OSError, ValueError)):
            ask(nodes, "entry", "eth_blockNumber", node=number)


@pytest.mark.parametrize("behaviour", [Failing("json"), Limiting("json")], ids=["error", "limit"])
def test_failure__as_json__has_a_code(nodes: Nodes, behaviour: Misbehaviour) -> None:
    nodes.misbehave("all@0", behaviour)
    assert ask(nodes, "entry", "eth_blockNumber")["code"] < 0
