# SPDX-License-Identifier: Apache-2.0
"""What a question costs its node.

given a wallet that asks over three shards
    when it checks, pays, waits and verifies
        it should make at most 40 calls, one of them for the chain id
    when the node allows 10 blocks in eth_getLogs, and the chain is long
        it should search no history before it pays, and little afterwards
    when the node is over its rate limit, drops a connection or lacks a method now and then
        it should ask again, and be answered
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from teetee.client.client import Client
from teetee.client.contracts import Contracts
from teetee.client.requests.await_answer import Answered
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.verification.quote_check import PccsCollateral, QuoteCheck
from tests.teetee.chain.local_chain import TEE
from tests.teetee.chain.rpc_proxy import (
    FORWARD,
    ConnectionDropped,
    HttpAnswer,
    RpcError,
    node,
)
from tests.teetee.client.lab import ANSWER, AtWork, Lab

pytestmark = pytest.mark.timeout(120)

SPEC = RequestSpec("Who looks both ways?", max_tokens=20, deadline_seconds=60)
Answer = Callable[[str, list[Any]], Any]


def forward(_: str, __: list[Any]) -> Any:
    return FORWARD


@contextmanager
def wallet_behind(lab: Lab, folder: Path, answer: Answer) -> Iterator[Client]:
    """A wallet whose only node answers as told, and otherwise as the chain does."""
    account = lab.world.account("requester", tokens=10 * TEE)
    with node(answer, lab.chain.url) as url:
        contracts = Contracts.connect(lab.chain.deployment, [url])
        quotes = QuoteCheck(
            contracts.certificates,
            PccsCollateral(lab.pccs_url),
            root_fingerprint=lab.chain.deployment.root_ca_fingerprint,
        )
        yield Client(
            contracts,
            account,
            quotes=quotes,
            verification_quotes=quotes,
            pending=PendingRequests(folder),
            poll_seconds=0.2,
        )


def settle_after(lab: Lab, seconds: float) -> AtWork:
    def work(opened: Any) -> None:
        time.sleep(seconds)
        lab.texts[opened.request_id] = [ANSWER]
        lab.settle(opened, lab.enclaves[:3])

    return AtWork(lab, work)


class Counts:
    """Counts calls by method, and lets `answer` replace some."""

    def __init__(self, answer: Answer = forward) -> None:
        self.methods: Counter[str] = Counter()
        self._answer = answer

    def __call__(self, method: str, parameters: list[Any]) -> Any:
        self.methods[method] += 1
        return self._answer(method, parameters)


@pytest.mark.parametrize("on_text", [print, None], ids=["with a stream", "without a stream"])
def test_ask__over_three_shards__costs_at_most_40_calls(
    lab: Lab, tmp_path: Path, on_text: Callable[[str], None] | None
) -> None:
    counts = Counts()
    with settle_after(lab, 5), wallet_behind(lab, tmp_path, counts) as client:
        outcome = client.ask(SPEC, on_text=on_text)
        report = client.verify(outcome.request_id)
    assert isinstance(outcome, Answered)
    assert outcome.answer.text == ANSWER
    assert report.failures == ()
    assert counts.methods.total() <= 40, counts.methods
    assert counts.methods["eth_chainId"] == 1


def few_blocks(blocks: int, refusal: Exception, asked: list[int]) -> Answer:
    """A node that refuses more blocks than these in eth_getLogs."""

    def answer(method: str, parameters: list[Any]) -> Any:
        if method == "eth_getLogs":
            first, last = (int(parameters[0][end], 16) for end in ("fromBlock", "toBlock"))
            asked.append(last - first + 1)
            if last - first + 1 > blocks:
                raise refusal
        return FORWARD

    return answer


@pytest.mark.parametrize(
    ("blocks", "refusal"),
    [
        pytest.param(10, RpcError(-32602, "query exceeds max block range"), id="10, no number"),
        pytest.param(10, RpcError(-32005, "limit exceeded"), id="10, with a busy node's code"),
        pytest.param(
            10,
            HttpAnswer(
                400,
                b'{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"Under the Free tier '
                b'plan, you can make eth_getLogs requests with up to a 10 block range."}}',
            ),
            id="10, with HTTP 400",
        ),
        pytest.param(1, RpcError(-32600, "eth_getLogs is limited to a 1 block range"), id="1"),
    ],
)
def test_ask__node_with_few_blocks_and_a_long_chain__searches_nothing(
    lab: Lab, tmp_path: Path, blocks: int, refusal: Exception
) -> None:
    lab.chain.rpc("anvil_mine", hex(1986), hex(2))
    asked: list[int] = []
    counts = Counts(few_blocks(blocks, refusal, asked))
    with settle_after(lab, 1), wallet_behind(lab, tmp_path, counts) as client:
        offer = client.prepare_offer(SPEC)
        before_paying = len(asked)
        outcome = client.await_answer(client.open_request(offer), on_text=print)
        report = client.verify(outcome.request_id)
    assert report.failures == ()
    # Of three shards, their certificates, the authority and the root, each in a block of its own.
    assert before_paying <= (4 if blocks == 10 else 16), asked
    assert counts.methods.total() <= (40 if blocks == 10 else 55), counts.methods


def test_verify__another_wallet_behind_a_node_with_few_blocks__finds_the_end(
    lab: Lab, tmp_path: Path
) -> None:
    with settle_after(lab, 0), wallet_behind(lab, tmp_path, forward) as client:
        request_id = client.ask(SPEC).request_id
    lab.chain.rpc("anvil_mine", hex(1986), hex(2))
    asked: list[int] = []
    counts = Counts(few_blocks(10, RpcError(-32602, "query exceeds max block range"), asked))
    with wallet_behind(lab, tmp_path, counts) as stranger:
        assert stranger.verify(request_id).failures == ()
    assert counts.methods.total() <= 60, counts.methods


def now_and_then(every: int, failure: Exception) -> Answer:
    """A node that fails each so many calls."""
    calls = 0

    def answer(_: str, __: list[Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls % every == 0:
            raise failure
        return FORWARD

    return answer


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(HttpAnswer(429, b"", {"Retry-After": "1"}), id="HTTP 429 with Retry-After"),
        pytest.param(HttpAnswer(429, b""), id="HTTP 429"),
        pytest.param(RpcError(-32016, "over rate limit"), id="-32016"),
        pytest.param(RpcError(-32005, "daily limit"), id="-32005"),
        pytest.param(RpcError(-32000, "429 Too Many Requests: {}"), id="429 in words"),
        pytest.param(HttpAnswer(503, b""), id="HTTP 503"),
        pytest.param(ConnectionDropped(), id="connection dropped"),
    ],
)
def test_ask__node_fails_now_and_then__is_answered(
    lab: Lab, tmp_path: Path, failure: Exception
) -> None:
    with (
        settle_after(lab, 0),
        wallet_behind(lab, tmp_path, now_and_then(7, failure)) as client,
    ):
        outcome = client.ask(SPEC, on_text=print)
        report = client.verify(outcome.request_id)
    assert isinstance(outcome, Answered)
    assert report.failures == ()


@pytest.mark.parametrize(
    "missing",
    [
        ("eth_maxPriorityFeePerGas",),
        ("eth_maxPriorityFeePerGas", "eth_feeHistory"),
        ("eth_maxPriorityFeePerGas", "eth_feeHistory", "eth_gasPrice"),
    ],
    ids=lambda names: f"without {len(names)} methods",
)
def test_ask__node_without_fee_methods__is_answered(
    lab: Lab, tmp_path: Path, missing: tuple[str, ...]
) -> None:
    def lacking(method: str, _: list[Any]) -> Any:
        if method in missing:
            raise RpcError(-32601, f"the method {method} does not exist/is not available")
        return FORWARD

    with settle_after(lab, 0), wallet_behind(lab, tmp_path, lacking) as client:
        assert isinstance(client.ask(SPEC), Answered)


def test_ask__node_runs_no_code_without_a_contract__reads_one_by_one(
    lab: Lab, tmp_path: Path
) -> None:
    def refusing(method: str, parameters: list[Any]) -> Any:
        if method == "eth_call" and "to" not in parameters[0]:
            raise RpcError(-32602, "missing to")
        return FORWARD

    with settle_after(lab, 0), wallet_behind(lab, tmp_path, refusing) as client:
        outcome = client.ask(SPEC)
        assert client.verify(outcome.request_id).failures == ()
