# SPDX-License-Identifier: Apache-2.0
"""Several nodes as one.

given nodes in order of preference
    when the first is down, busy, broken or silent
        it should ask the next
    when one has answered
        later requests should go to it first
    when none answers
        it should be retryable, naming each by host and reason, never by its key
    when one serves another chain
        none of its answers should be used
"""

import socket
from typing import Any

import pytest

from teetee.chain.connection import Connection
from teetee.chain.errors import RpcRefused, RpcUnavailable, WrongChain
from teetee.chain.urls import public_url
from tests.teetee.chain.rpc_proxy import HttpAnswer, RpcError, node

CHAIN = 8453


def healthy(method: str, _: list[Any]) -> Any:
    return {"eth_chainId": hex(CHAIN), "eth_getBlockByNumber": BLOCK}[method]


BLOCK = {"number": "0x10", "hash": "0x" + "ab" * 32, "timestamp": "0x20"}


def http(status: int, body: bytes = b"") -> Any:
    def answer(_: str, __: list[Any]) -> Any:
        raise HttpAnswer(status, body)

    return answer


def error(code: int, message: str) -> Any:
    def answer(method: str, parameters: list[Any]) -> Any:
        if method == "eth_chainId":
            return healthy(method, parameters)
        raise RpcError(code, message)

    return answer


def connection(*urls: str, timeout: float = 5) -> Connection:
    return Connection(urls, chain_id=CHAIN, timeout_seconds=timeout)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(http(503), "HTTP 503", id="down for maintenance"),
        pytest.param(http(429), "HTTP 429", id="too many requests"),
        pytest.param(http(200, b"<html>login</html>"), "the answer is not JSON", id="portal"),
        pytest.param(error(-32005, "limit"), "the node is over its rate limit", id="busy by code"),
        pytest.param(
            error(-32000, "Rate limit reached"),
            "the node is over its rate limit",
            id="busy by words",
        ),
    ],
)
def test_head__first_node_fails__is_read_from_the_next(answer: Any, reason: str) -> None:
    with node(answer) as failing:
        with node(healthy) as standing_by:
            assert connection(failing, standing_by).head().number == 16
        with pytest.raises(RpcUnavailable) as failed:
            connection(failing).head()
    assert failed.value.reasons == {failing: reason}


def test_head__no_node_listens__names_hosts_and_no_key() -> None:
    with pytest.raises(RpcUnavailable) as failed:
        connection("http://user:pass@127.0.0.1:1/v2/key?token=key").head()
    assert failed.value.reasons == {"http://127.0.0.1:1": "no connection"}
    assert "key" not in str(failed.value)
    assert "pass" not in str(failed.value)


def test_head__node_is_silent__is_retryable_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RpcUnavailable) as failed:
            connection(url, timeout=0.05).head()
    assert failed.value.reasons == {url: "no answer in time"}


def test_head__from_another_chain__is_believed_in_nothing() -> None:
    def elsewhere(method: str, parameters: list[Any]) -> Any:
        return "0x1" if method == "eth_chainId" else healthy(method, parameters)

    with node(elsewhere) as url, pytest.raises(WrongChain) as refused:
        connection(url).head()
    assert (refused.value.expected, refused.value.actual, refused.value.url) == (CHAIN, 1, url)


def test_head__after_a_failover__asks_first_who_answered_last() -> None:
    asked: list[str] = []

    def failing(_: str, __: list[Any]) -> Any:
        asked.append("first")
        raise HttpAnswer(500, b"")

    with node(failing) as first, node(healthy) as second:
        both = connection(first, second)
        both.head()
        both.head()
    assert asked == ["first"]


def test_head__refused_by_the_node__is_fatal_and_not_asked_elsewhere() -> None:
    with (
        node(error(-32601, "method not found")) as url,
        node(healthy) as other,
        pytest.raises(RpcRefused) as refused,
    ):
        connection(url, other).head()
    assert (refused.value.code, refused.value.detail) == (-32601, "method not found")


def test_connection__without_urls__is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least one RPC URL"):
        connection()


def test_public_url__with_secrets__keeps_host_and_port() -> None:
    assert public_url("https://me:secret@base.example:8545/v2/key") == "https://base.example:8545"
