# SPDX-License-Identifier: Apache-2.0
"""Wallets whose nodes lie.

given three nodes, of which one lies
    when a wallet asks
        it should pay, be answered and verify by the two others, with at most 40 calls to each
given two nodes, of which one lies, or only the liar left
    when a wallet asks
        it should seal, send and pay nothing
given nodes that all say that an enclave's image and model are allowed
    when the deployment file does not name them
        it should refuse the enclave
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teetee.chain.connection import Connection
from teetee.chain.deployment import Deployment
from teetee.chain.errors import NodesDisagree, RpcUnavailable
from teetee.chain.nodes.node_failures import NO_RETRY
from teetee.client.client import Client
from teetee.client.contracts import Contracts
from teetee.client.errors import PathRefused
from teetee.client.requests.await_answer import Answered
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.verification.quote_check import PccsCollateral, QuoteCheck
from tests.teetee.chain.local_chain import TEE
from tests.teetee.chain.rpc_proxy import FORWARD, Answer, ConnectionDropped, node
from tests.teetee.client.lab import ANSWER, AtWork, Lab

pytestmark = pytest.mark.timeout(120)

SPEC = RequestSpec("Who looks both ways?", max_tokens=20, deadline_seconds=60)
SENDING = "eth_sendRawTransaction"


class Wire:
    """A node that forwards what `lie` leaves alone, and counts."""

    def __init__(self, lie: Answer | None = None) -> None:
        self.methods: Counter[str] = Counter()
        self._lie = lie

    def __call__(self, method: str, parameters: list[Any]) -> Any:
        self.methods[method] += 1
        return FORWARD if self._lie is None else self._lie(method, parameters)


def lies_about_calls(method: str, _: list[Any]) -> Any:
    """Every view returns ones: shards, keys and allowed images of its own."""
    return "0x" + "00" * 31 + "01" if method == "eth_call" else FORWARD


def lies_about_events(method: str, _: list[Any]) -> Any:
    return [] if method == "eth_getLogs" else FORWARD


def lies_about_the_head(method: str, parameters: list[Any]) -> Any:
    if method == "eth_getBlockByNumber" and parameters[0] == "latest":
        return {"number": "0x29a", "hash": "0x" + "ab" * 32, "timestamp": "0x7fffffff"}
    return FORWARD


def replays(method: str, parameters: list[Any]) -> Any:
    if method == "eth_getBlockByNumber" and parameters[0] == "latest":
        return {"number": "0x1", "hash": "0x" + "ab" * 32, "timestamp": "0x1"}
    return FORWARD


def blocked(_: str, __: list[Any]) -> Any:
    raise ConnectionDropped


LIES = [lies_about_calls, lies_about_events, lies_about_the_head, replays]


@contextmanager
def wallet_over(
    lab: Lab, folder: Path, wires: Sequence[Wire], deployment: Deployment | None = None
) -> Iterator[Client]:
    account = lab.world.account("requester", tokens=10 * TEE)
    with ExitStack() as stack:
        urls = [stack.enter_context(node(wire, lab.chain.url)) for wire in wires]
        contracts = connected(deployment or lab.chain.deployment, urls)
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


def connected(deployment: Deployment, urls: Sequence[str]) -> Contracts:
    """Without waiting before a liar is asked again."""
    contracts = Contracts.connect(deployment, urls)
    connection: Connection = contracts.connection
    connection._provider._retry = NO_RETRY
    return contracts


def settle(lab: Lab) -> AtWork:
    def work(opened: Any) -> None:
        lab.texts[opened.request_id] = [ANSWER]
        lab.settle(opened, lab.enclaves[:3])

    return AtWork(lab, work)


@pytest.mark.parametrize("lie", LIES)
def test_h4__one_of_three_nodes_lies_to_a_wallet__is_outvoted(
    lab: Lab, tmp_path: Path, lie: Answer
) -> None:
    wires = [Wire(lie), Wire(), Wire()]
    with settle(lab), wallet_over(lab, tmp_path, wires) as client:
        outcome = client.ask(SPEC)
        report = client.verify(outcome.request_id)
    assert isinstance(outcome, Answered)
    assert outcome.answer.text == ANSWER
    assert report.failures == ()


def test_ask__over_two_nodes__costs_at_most_40_calls_of_each(lab: Lab, tmp_path: Path) -> None:
    wires = [Wire(), Wire()]
    with settle(lab), wallet_over(lab, tmp_path, wires) as client:
        outcome = client.ask(SPEC, on_text=print)
        client.verify(outcome.request_id)
    for wire in wires:
        assert wire.methods.total() <= 40, wire.methods


@pytest.mark.parametrize("lie", LIES)
def test_h4__one_of_two_nodes_lies_to_a_wallet__nothing_is_sent(
    lab: Lab, tmp_path: Path, lie: Answer
) -> None:
    wires = [Wire(lie), Wire()]
    with wallet_over(lab, tmp_path, wires) as client, pytest.raises(NodesDisagree) as refused:
        client.ask(SPEC)
    assert len(refused.value.answers) == 2
    assert all(wire.methods[SENDING] == 0 for wire in wires)


def test_h4__all_but_the_liar_blocked__nothing_is_sent(lab: Lab, tmp_path: Path) -> None:
    allowed = [True]

    def fallible(method: str, parameters: list[Any]) -> Any:
        return FORWARD if allowed[0] else blocked(method, parameters)

    wires = [Wire(lies_about_calls), Wire(fallible), Wire(fallible)]
    with wallet_over(lab, tmp_path, wires) as client:
        allowed[0] = False
        with pytest.raises(RpcUnavailable, match="2 Ethereum nodes that must agree"):
            client.ask(SPEC)
    assert all(wire.methods[SENDING] == 0 for wire in wires)


def changed(lab: Lab, **changes: Any) -> Deployment:
    deployment = lab.chain.deployment
    model = deployment.trusted_model(lab.model_id)
    assert model is not None
    return deployment.with_model(replace(model, **changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"measurements": ()}, "image of shard"),
        ({"measurements": (b"\x05" * 32,)}, "image of shard"),
        ({"digest": b"\x05" * 32}, "in the deployment file: the chain has digest"),
    ],
    ids=["no image", "another image", "another digest"],
)
def test_h8__nodes_allow_what_the_deployment_file_does_not_name__is_refused(
    lab: Lab, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    wire = Wire()
    with (
        wallet_over(lab, tmp_path, [wire], changed(lab, **changes)) as client,
        pytest.raises(PathRefused, match=reason),
    ):
        client.ask(SPEC)
    assert wire.methods[SENDING] == 0


def test_h8__image_was_withdrawn__gets_no_prompt(lab: Lab, tmp_path: Path) -> None:
    model = lab.chain.deployment.trusted_model(lab.model_id)
    assert model is not None
    withdrawn = model.without_measurement(model.measurements[0])
    deployment = lab.chain.deployment.with_model(withdrawn)
    with (
        wallet_over(lab, tmp_path, [Wire()], deployment) as client,
        pytest.raises(PathRefused, match="image of shard"),
    ):
        client.ask(SPEC)
