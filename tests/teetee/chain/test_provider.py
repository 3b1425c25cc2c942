# SPDX-License-Identifier: Apache-2.0
"""Several nodes of which one answer is enough.

given nodes in order of preference
    when the first is down, busy, broken or silent
        it should ask the next
    when one has answered
        later requests should go to it first
    when none answers
        it should be retryable, naming each by host and reason, never by its key
    when one serves another chain
        none of its answers should be used, and the others be asked
    when one does not say which chain it serves, now
        the next should be asked, and it again later
    when all are over their rate limit, or the only one drops connections
        they should be asked again after as long as they say, or longer and longer
"""

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from teetee.chain.connection import Connection
from teetee.chain.errors import RpcRefused, RpcUnavailable, WrongChain
from teetee.chain.nodes.node_failures import NO_RETRY, RetryPolicy
from teetee.chain.urls import public_url
from tests.teetee.chain.rpc_proxy import ConnectionDropped, HttpAnswer, RpcError, node

CHAIN = 8453


def healthy(method: str, _: list[Any]) -> Any:
    return {"eth_chainId": hex(CHAIN), "eth_getBlockByNumber": BLOCK}[method]


RATE_LIMITED = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32016,"message":"over rate limit"}}'
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


QUICK = RetryPolicy(first_pause_seconds=0.01)


def connection(*urls: str, timeout: float = 5, retry: RetryPolicy = QUICK) -> Connection:
    """One answer is enough; for several that must agree see test_witnesses.py."""
    return Connection(urls, chain_id=CHAIN, timeout_seconds=timeout, quorum=1, retry=retry)


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


RATE_LIMITS = [
    pytest.param(HttpAnswer(429, b""), id="HTTP 429"),
    pytest.param(HttpAnswer(403, RATE_LIMITED), id="HTTP 403 with a JSON-RPC error"),
    pytest.param(RpcError(-32005, "limit"), id="-32005"),
    pytest.param(RpcError(-32016, "over rate limit"), id="-32016"),
    pytest.param(RpcError(-32007, "50/second request limit reached"), id="-32007"),
    pytest.param(RpcError(-32000, "429 Too Many Requests"), id="429 in words"),
]
BACKOFF = b'{"rate":{"backoff_seconds":1' + b"0" * 400 + b"}}"
NO_CODE = b'{"jsonrpc":"2.0","id":1,"error":{"code":[1],"message":"x"}}'
OTHER_FAILURES = [
    pytest.param(HttpAnswer(200, NO_CODE), id="a list as code"),
    pytest.param(HttpAnswer(400, NO_CODE.replace(b"[1]", b"{}")), id="an object as code, HTTP 400"),
    pytest.param(
        HttpAnswer(
            200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"data":' + BACKOFF + b"}}"
        ),
        id="a backoff of 401 digits",
    ),
    pytest.param(
        HttpAnswer(503, b"", {"Retry-After": f"1 Jan {'9' * 21} 00:00:00 GMT"}), id="a year too far"
    ),
    pytest.param(RpcError(-32000, "internal error"), id="an error"),
    pytest.param(HttpAnswer(200, b'{"jsonrpc":"2.0","id":1,"result":null}'), id="null"),
    pytest.param(HttpAnswer(200, b'{"jsonrpc":"2.0","id":1,"result":"Base"}'), id="no number"),
    pytest.param(HttpAnswer(200, b'{"jsonrpc":"2.0","id":1}'), id="no result"),
    pytest.param(HttpAnswer(502, b"<html>"), id="HTTP 502"),
]


def failing_first(failure: Exception, times: int, asked: list[str]) -> Any:
    """Healthy but for the first calls."""

    def answer(method: str, parameters: list[Any]) -> Any:
        asked.append(method)
        if len(asked) <= times:
            raise failure
        return healthy(method, parameters)

    return answer


@pytest.mark.parametrize("failure", [*RATE_LIMITS, *OTHER_FAILURES])
def test_head__first_node_fails_to_say_its_chain__is_read_from_the_next(
    failure: Exception,
) -> None:
    with node(failing_first(failure, 99, [])) as failing, node(healthy) as standing_by:
        assert connection(failing, standing_by).head().number == 16
    with node(failing_first(failure, 99, [])) as failing, pytest.raises(RpcUnavailable):
        connection(failing, retry=NO_RETRY).head()


@pytest.mark.parametrize("failure", RATE_LIMITS)
@pytest.mark.parametrize("times", [1, 2, 4])
def test_head__only_node_is_busy_at_first__is_asked_again(failure: Exception, times: int) -> None:
    asked: list[str] = []
    with node(failing_first(failure, times, asked)) as url:
        assert connection(url).head().number == 16
    assert len(asked) == times + 2
    assert asked.count("eth_chainId") == times + 1


def test_head__only_node_stays_busy__is_given_up() -> None:
    asked: list[str] = []
    with (
        node(failing_first(RpcError(-32016, "over rate limit"), 99, asked)) as url,
        pytest.raises(RpcUnavailable, match="over its rate limit"),
    ):
        connection(url).head()
    assert len(asked) == 1 + QUICK.busy_retries


@pytest.mark.parametrize("wish", ["1", "date"], ids=["seconds", "an HTTP date"])
def test_head__busy_node_says_how_long__is_asked_again_after_that(wish: str) -> None:
    if wish == "date":
        wish = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    started = time.monotonic()
    with node(failing_first(HttpAnswer(429, b"", {"Retry-After": wish}), 1, [])) as url:
        assert connection(url).head().number == 16
    assert 0.5 <= time.monotonic() - started <= 4


def test_head__busy_node_wants_too_long_a_wait__says_how_long() -> None:
    busy = HttpAnswer(429, b"", {"Retry-After": "3600"})
    with (
        node(failing_first(busy, 99, [])) as url,
        pytest.raises(RpcUnavailable, match="HTTP 429 and asks to wait 3600 s"),
    ):
        connection(url).head()


def test_head__backoff_in_the_error__is_kept_to() -> None:
    error = b'{"code":-32005,"message":"rate","data":{"rate":{"backoff_seconds":1}}}'
    body = b'{"jsonrpc":"2.0","id":1,"error":' + error + b"}"
    started = time.monotonic()
    with node(failing_first(HttpAnswer(200, body), 1, [])) as url:
        assert connection(url).head().number == 16
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize(
    "failure", [ConnectionDropped(), HttpAnswer(503, b"")], ids=["dropped", "HTTP 503"]
)
def test_head__connection_that_worked_breaks__is_asked_again(failure: Exception) -> None:
    asked: list[str] = []

    def breaking(method: str, parameters: list[Any]) -> Any:
        asked.append(method)
        if len(asked) in (3, 4):
            raise failure
        return healthy(method, parameters)

    with node(breaking) as url:
        chain = connection(url)
        assert chain.head().number == chain.head().number == 16
        with chain.single_attempts():
            asked[:] = [""] * 2
            with pytest.raises(RpcUnavailable):
                chain.head()


def test_head__first_node_serves_another_chain__is_read_from_the_next() -> None:
    asked: list[str] = []

    def elsewhere(method: str, _: list[Any]) -> Any:
        asked.append(method)
        return "0x1"

    with node(elsewhere) as wrong, node(healthy) as right:
        assert connection(wrong, right).head().number == 16
    assert asked == ["eth_chainId"]


def test_head__one_of_another_chain_and_one_busy__is_retryable_and_names_both() -> None:
    def elsewhere(_: str, __: list[Any]) -> Any:
        return "0x1"

    with (
        node(elsewhere) as wrong,
        node(http(429)) as busy,
        pytest.raises(RpcUnavailable) as failed,
    ):
        connection(wrong, busy, retry=NO_RETRY).head()
    assert failed.value.reasons == {
        wrong: f"it serves chain 1 instead of chain {CHAIN}",
        busy: "HTTP 429",
    }


def test_head__all_serve_other_chains__is_fatal() -> None:
    def elsewhere(_: str, __: list[Any]) -> Any:
        return "0x1"

    with node(elsewhere) as one, node(elsewhere) as other, pytest.raises(WrongChain) as refused:
        connection(one, other).head()
    assert (refused.value.actual, refused.value.url) == (1, one)


def test_connection__many_calls__ask_for_the_chain_once() -> None:
    asked: list[str] = []
    with node(failing_first(RpcError(0, ""), 0, asked)) as url:
        chain = connection(url)
        chain.require_nodes()
        for _ in range(5):
            chain.head()
    assert asked.count("eth_chainId") == 1
