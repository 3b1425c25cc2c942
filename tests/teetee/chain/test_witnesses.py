# SPDX-License-Identifier: Apache-2.0
"""Several nodes that must agree.

given three nodes
    when one lies about the head, a contract or a balance
        it should be outvoted, and the alarm name it
    when one drips, floods, is silent, replays the past or is down
        the others should be believed, in time
    when one lies that there is nothing, or inflates an estimate, and another is behind or slow
        the honest one should not be outvoted
    when all but the liar are blocked
        nothing should be believed
given two nodes
    when they contradict each other
        nothing should be believed, and the error say who says what
given any number
    when no quorum is chosen
        more than half must agree
given a node elsewhere
    when it is reached without TLS
        it should be refused
"""

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from teetee.chain.calldata import Call
from teetee.chain.connection import Connection
from teetee.chain.errors import (
    BlockUnknown,
    InsecureNode,
    NodesDisagree,
    QuorumInvalid,
    RpcRefused,
    RpcUnavailable,
    WrongChain,
)
from teetee.chain.nodes.node_failures import NO_RETRY, RetryPolicy
from teetee.chain.nodes.quorum import quorum_of
from tests.teetee.chain.bad_servers import drip_body, drip_header, flood, server
from tests.teetee.chain.rpc_proxy import HttpAnswer, RpcError, node

CHAIN = 8453
CLOSED = "http://127.0.0.1:9"
ACCOUNT = "0x" + "11" * 20


def block(number: int, salt: int = 0) -> dict[str, str]:
    return {
        "number": hex(number),
        "hash": f"0x{number + (salt << 64):064x}",
        "timestamp": hex(1_800_000_000 + 2 * number),
    }


class FakeNode:
    """A chain up to `head`; `salt` makes it another chain from block `forks_at` on."""

    def __init__(self, head: int, *, salt: int = 0, forks_at: int = 0, balance: int = 5) -> None:
        self.head, self.salt, self.forks_at, self.balance = head, salt, forks_at, balance
        self.asked: list[tuple[str, Any]] = []

    def block(self, number: int) -> dict[str, str] | None:
        if number > self.head:
            return None
        return block(number, self.salt if number >= self.forks_at else 0)

    def __call__(self, method: str, parameters: list[Any]) -> Any:
        self.asked.append((method, parameters))
        if method == "eth_chainId":
            return hex(CHAIN)
        if method == "eth_getBlockByNumber":
            named = parameters[0] in ("latest", "finalized")
            return self.block(self.head if named else int(parameters[0], 16))
        if method == "eth_getBalance":
            return hex(self.balance)
        raise RpcError(-32601, "method not found")


class Alarms(list[NodesDisagree]):
    def wait(self, count: int = 1) -> None:
        end = time.monotonic() + 5
        while len(self) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self) >= count


@contextmanager
def chain_of(
    *answers: Any, quorum: int | None = None, timeout: float = 5, retry: RetryPolicy = NO_RETRY
) -> Iterator[tuple[Connection, list[str], Alarms]]:
    """A connection to nodes that answer as told, or have the given URLs."""
    alarms = Alarms()
    with ExitStack() as stack:
        urls = [
            answer if isinstance(answer, str) else stack.enter_context(node(answer))
            for answer in answers
        ]
        chain = Connection(
            urls,
            chain_id=CHAIN,
            timeout_seconds=timeout,
            quorum=quorum,
            retry=retry,
            on_disagreement=alarms.append,
        )
        yield chain, urls, alarms


def test_h4__one_of_three_nodes_lies_about_the_head__is_outvoted_and_named() -> None:
    liar = FakeNode(666, salt=1)
    with chain_of(liar, FakeNode(100), FakeNode(101)) as (chain, urls, alarms):
        assert chain.head().number == 100
        alarms.wait()
        states = {state.name: state for state in chain.node_states}
    assert urls[0] in alarms[0].answers
    assert states[urls[0]].contradictions >= 1
    assert states[urls[0]].head == 666
    assert states[urls[1]].contradictions == 0


def test_h4__one_of_three_nodes_lies_about_the_newest_hash__is_outvoted() -> None:
    with chain_of(FakeNode(101, salt=1, forks_at=101), FakeNode(101), FakeNode(101)) as (
        chain,
        _,
        __,
    ):
        assert chain.head().hash == bytes.fromhex(block(101)["hash"][2:])


@pytest.mark.parametrize("head", [1, 60, 100])
def test_h4__one_of_three_nodes_replays_an_old_head__is_outvoted(head: int) -> None:
    with chain_of(FakeNode(head), FakeNode(101), FakeNode(101)) as (chain, _, __):
        assert chain.head().number == 101


def test_h4__two_nodes_one_far_behind__is_no_head() -> None:
    with (
        chain_of(FakeNode(60), FakeNode(101)) as (chain, urls, _),
        pytest.raises(NodesDisagree) as refused,
    ):
        chain.head()
    assert set(refused.value.answers) == set(urls)


def test_head__two_nodes_a_few_blocks_apart__is_the_older() -> None:
    with chain_of(FakeNode(99), FakeNode(101)) as (chain, _, __):
        assert chain.head().number == 99


def test_h4__one_of_three_nodes_lies_about_a_balance__is_outvoted_and_named() -> None:
    liar = FakeNode(100, balance=10**30)
    with chain_of(liar, FakeNode(100), FakeNode(100)) as (chain, _, __):
        assert chain.ether_of(ACCOUNT) == 5


def test_h4__two_nodes_contradict_each_other__fail_closed_with_an_alarm() -> None:
    liar = FakeNode(100, balance=6)
    with chain_of(liar, FakeNode(100)) as (chain, urls, alarms):
        with pytest.raises(NodesDisagree) as refused:
            chain.ether_of(ACCOUNT)
        alarms.wait()
    assert refused.value.answers == {urls[0]: "0x6", urls[1]: "0x5"}
    assert "eth_getBalance" in str(refused.value)


def test_balance__nodes_differ_at_latest_only__is_asked_again_at_an_agreed_block() -> None:
    class Behind(FakeNode):
        def __call__(self, method: str, parameters: list[Any]) -> Any:
            if method == "eth_getBalance" and parameters[1] == "latest":
                self.asked.append((method, parameters))
                return hex(self.balance + self.head)
            return super().__call__(method, parameters)

    behind = Behind(99)
    with chain_of(behind, Behind(100)) as (chain, _, alarms):
        assert chain.ether_of(ACCOUNT) == 5
    pinned = {"blockHash": block(99)["hash"], "requireCanonical": True}
    assert ("eth_getBalance", ["0x" + "11" * 20, pinned]) in behind.asked
    assert alarms == []


@pytest.mark.parametrize("lie", ["head", "balance"])
def test_h4__all_but_the_liar_blocked__fails_closed(lie: str) -> None:
    liar = FakeNode(666, salt=1, balance=10**30)
    with (
        chain_of(liar, CLOSED, CLOSED + "/other") as (chain, _, __),
        pytest.raises(RpcUnavailable) as refused,
    ):
        chain.head() if lie == "head" else chain.ether_of(ACCOUNT)
    assert "the 2 Ethereum nodes that must agree" in str(refused.value)
    assert set(refused.value.reasons) == {CLOSED, CLOSED + " (2)"}


@pytest.mark.parametrize("bad", [drip_body, drip_header, flood])
def test_h4__one_of_three_nodes_drips_or_floods__delays_no_answer(bad: Any) -> None:
    with (
        server(bad) as url,
        chain_of(url, FakeNode(100), FakeNode(100), timeout=30) as (chain, _, __),
    ):
        started = time.monotonic()
        assert chain.head().number == 100
        assert chain.ether_of(ACCOUNT) == 5
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("bad", [drip_body, drip_header])
def test_h4__only_node_drips__ends_after_the_total_time(bad: Any) -> None:
    with server(bad) as url, chain_of(url, timeout=0.5) as (chain, _, __):
        started = time.monotonic()
        with pytest.raises(RpcUnavailable, match="no answer in time"):
            chain.head()
        assert time.monotonic() - started < 3


def test_h4__node_sends_1500_mb__is_cut_off_before_memory_grows() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        server(flood) as url,
        chain_of(url, timeout=30) as (chain, _, __),
        pytest.raises(RpcUnavailable, match="more than 33554432 bytes"),
    ):
        chain.head()
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 200 * 1024


def test_m13__one_of_three_nodes_is_down__goes_on() -> None:
    def down(_: str, __: list[Any]) -> Any:
        raise HttpAnswer(503, b"")

    with chain_of(down, FakeNode(100), FakeNode(100)) as (chain, urls, _):
        for _ in range(3):
            assert chain.head().number == 100
        states = {state.name: state for state in chain.node_states}
    assert states[urls[0]].is_failing
    assert not states[urls[1]].is_failing


def test_agreement__a_node_lags__is_no_contradiction() -> None:
    with chain_of(FakeNode(99), FakeNode(100), FakeNode(100)) as (chain, _, alarms):
        assert chain.block(100).number == 100
        time.sleep(0.1)
    assert alarms == []


def test_agreement__block_that_no_node_has__is_unknown() -> None:
    with (
        chain_of(FakeNode(99), FakeNode(100)) as (chain, _, __),
        pytest.raises(BlockUnknown),
    ):
        chain.block(100)


def test_agreement__nodes_refuse_alike__is_refused() -> None:
    with (
        chain_of(FakeNode(99), FakeNode(100)) as (chain, _, __),
        pytest.raises(RpcRefused, match="method not found"),
    ):
        chain.transaction_input("0x" + "22" * 32)


def test_fees__nodes_differ__are_the_lower_of_two_and_the_middle_of_three() -> None:
    def asking(price: int) -> Any:
        def answer(method: str, _: list[Any]) -> Any:
            return hex(CHAIN if method == "eth_chainId" else price)

        return answer

    for prices, expected in [((5, 10**18), 5), ((10**18, 5, 6), 6), ((0, 5, 6), 5)]:
        with chain_of(*map(asking, prices)) as (chain, _, __):
            assert int(chain.web3.eth.max_priority_fee) == expected


def test_agreement__disagreement_passes__is_asked_again() -> None:
    one, other = FakeNode(100, salt=1), FakeNode(100)

    def healing(method: str, parameters: list[Any]) -> Any:
        if len(one.asked) > 2:
            one.salt = 0
        return one(method, parameters)

    with chain_of(healing, other, retry=RetryPolicy(first_pause_seconds=0.01)) as (chain, _, __):
        assert chain.head().number == 100


def test_chain__one_of_three_serves_another__is_not_counted() -> None:
    def elsewhere(_: str, __: list[Any]) -> Any:
        return "0x1"

    with chain_of(elsewhere, FakeNode(100), FakeNode(100)) as (chain, _, __):
        chain.require_nodes()
        assert chain.head().number == 100
    with (
        chain_of(elsewhere, elsewhere) as (chain, _, __),
        pytest.raises(WrongChain),
    ):
        chain.require_nodes()


def test_chain__same_url_twice__is_one_node() -> None:
    with node(FakeNode(100)) as url, chain_of(url, url) as (chain, _, __):
        assert chain.head().number == 100
        assert len(chain.node_states) == 1


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_quorum__not_chosen__is_more_than_half(count: int, needed: int) -> None:
    assert quorum_of(count) == needed


def test_quorum__chosen__must_be_possible() -> None:
    assert quorum_of(3, 3) == 3
    for chosen in (0, 4):
        with pytest.raises(QuorumInvalid):
            quorum_of(3, chosen)


def test_h4__plain_http_elsewhere__is_refused() -> None:
    for url in ("http://rpc.example/key", "HTTP://10.0.0.7:8545", "http://[2001:db8::1]:8545"):
        with pytest.raises(InsecureNode) as refused:
            Connection([url], chain_id=CHAIN)
        assert "key" not in str(refused.value)
    for url in (
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://[::1]:1",
        "https://rpc.example",
    ):
        Connection([url], chain_id=CHAIN)


def test_h4__proxy_in_the_environment__is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def proxy(method: str, _: list[Any]) -> Any:
        asked.append(method)
        return None

    with node(proxy) as url:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/does/not/exist")
        with chain_of(FakeNode(100)) as (chain, _, __):
            assert chain.head().number == 100
    assert asked == []


# -- a liar beside an honest node that is behind or slow ------------------------------------------

SOON = RetryPolicy(first_pause_seconds=0.02)
SENDER = Call(ACCOUNT, b"\x01", "settle")


def saying(number: int | None, *, seconds: float = 0.0) -> Any:
    """A node that answers each question with the same number, and needs that long."""

    def answer(method: str, _: list[Any]) -> Any:
        if method == "eth_chainId":
            return hex(CHAIN)
        time.sleep(seconds)
        return None if number is None else hex(number)

    return answer


class CatchesUp(FakeNode):
    """A node that is behind until it was asked a few times."""

    def __call__(self, method: str, parameters: list[Any]) -> Any:
        answer = super().__call__(method, parameters)
        self.head = 100 if len(self.asked) > 1 else self.head
        return answer


def test_a13__one_lies_that_there_is_nothing_and_one_is_behind__the_value_is_found() -> None:
    with chain_of(FakeNode(50), CatchesUp(99), FakeNode(100), retry=SOON) as (chain, _, __):
        assert chain.block(100).number == 100


def test_a13__honest_node_is_slower_than_both__is_waited_for() -> None:
    class Slow(FakeNode):
        def __call__(self, method: str, parameters: list[Any]) -> Any:
            time.sleep(0.2)
            return super().__call__(method, parameters)

    with chain_of(FakeNode(50), CatchesUp(99), Slow(100), retry=SOON) as (chain, _, __):
        assert chain.block(100).number == 100


def test_a13__one_invents_what_the_others_do_not_have__is_outvoted_in_the_end() -> None:
    with (
        chain_of(FakeNode(100, salt=1), FakeNode(99), FakeNode(99), retry=SOON) as (chain, _, __),
        pytest.raises(BlockUnknown),
    ):
        chain.block(100)


def test_a13__nodes_have_nothing__is_answered_without_a_repetition() -> None:
    behind = FakeNode(99)
    with (
        chain_of(behind, FakeNode(99), CLOSED, retry=SOON) as (chain, _, __),
        pytest.raises(BlockUnknown),
    ):
        chain.block(100)
    assert [method for method, _ in behind.asked].count("eth_getBlockByNumber") == 1


@pytest.mark.parametrize("lie", [1, 10**18])
def test_estimate_gas__liar_beside_a_slow_node__the_middle_of_three_counts(lie: int) -> None:
    nodes = saying(lie), saying(200_000), saying(210_000, seconds=1.5)
    with chain_of(*nodes) as (chain, _, __):
        assert chain.estimate_gas(SENDER, ACCOUNT) in (200_000, 210_000)


@pytest.mark.parametrize("lie", [1, 10**18])
def test_estimate_gas__liar_beside_one_that_is_down__nothing_is_believed(lie: int) -> None:
    with (
        chain_of(saying(lie), saying(200_000), CLOSED) as (chain, _, __),
        pytest.raises(NodesDisagree, match="eth_estimateGas"),
    ):
        chain.estimate_gas(SENDER, ACCOUNT)


def test_estimate_gas__two_nodes_differ_a_little__is_the_higher() -> None:
    with chain_of(saying(200_000), saying(210_000)) as (chain, _, __):
        assert chain.estimate_gas(SENDER, ACCOUNT) == 210_000


def test_nonce__liar_beside_a_slow_node__the_middle_of_three_counts() -> None:
    with chain_of(saying(900), saying(7), saying(7, seconds=1.5)) as (chain, _, __):
        assert chain.transaction_count(ACCOUNT) == 7
