# SPDX-License-Identifier: Apache-2.0
"""Reads of a real chain.

given a chain
    when a read is pinned to a block
        it should return the state of that block, not of later ones
    when that block was reorganized away, or does not exist yet
        it should be retryable
    when there is no contract at the address
        it should say so
    when blocks are searched by time or for events
        they should be found, even if the node accepts only small ranges
"""

import time
from typing import Any

import pytest

from teetee.chain.connection import Connection
from teetee.chain.contract_errors import UnknownModel
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.escrow_history import EscrowHistory
from teetee.chain.contracts.registry import Registry
from teetee.chain.errors import BlockUnknown, NoContract, RpcRefused
from teetee.chain.logs import read_logs
from teetee.chain.types.blocks import Block
from teetee.protocol.identifiers import ModelId
from tests.teetee.chain.local_chain import CHAIN_ID, TEE
from tests.teetee.chain.rpc_proxy import FORWARD, RpcError, node
from tests.teetee.chain.world import Network, World


def test_read__pinned_to_a_block__shows_its_state(world: World, network: Network) -> None:
    before = world.connection.head()
    world.publish_model()
    assert world.registry.model_count() == world.registry.model_count(before) + 1


def test_read__block_reorganized_away__is_retryable(world: World, network: Network) -> None:
    snapshot = world.chain.rpc("evm_snapshot")
    world.publish_model()
    removed = world.connection.head()
    world.chain.rpc("evm_revert", snapshot)
    with pytest.raises(BlockUnknown) as failed:
        world.registry.model_count(removed)
    assert failed.value.block == "0x" + removed.hash.hex()


@pytest.mark.parametrize("identifier", [10**9, b"\x01" * 32], ids=["number", "hash"])
def test_block__not_there__is_retryable(world: World, identifier: int | bytes) -> None:
    with pytest.raises(BlockUnknown):
        world.connection.block(identifier)


def test_read__no_contract_there__is_fatal(world: World) -> None:
    empty = world.connection.contract("ShardRegistry", "0x" + "77" * 20)
    with pytest.raises(NoContract) as refused:
        world.connection.read(empty, "shardCount")
    assert refused.value.address == "0x" + "77" * 20


def test_read__refused_by_the_contract__is_the_named_error(world: World) -> None:
    with pytest.raises(UnknownModel) as refused:
        world.registry.model(ModelId(999))
    assert refused.value.arguments == {"modelId": 999}


def test_first_block_at__any_time__is_the_first_that_is_not_earlier(
    world: World, network: Network
) -> None:
    world.chain.pass_time(100)
    world.chain.pass_time(100)
    head = world.connection.head()
    parent = world.connection.block(head.number - 1)
    assert world.connection.first_block_at(head.timestamp) == head
    assert world.connection.first_block_at(parent.timestamp + 1) == head
    assert world.connection.first_block_at(parent.timestamp) == parent
    assert world.connection.first_block_at(head.timestamp + 1) is None
    assert world.connection.first_block_at(0) == world.connection.block(0)


def limited(blocks: int, asked: list[int]) -> Any:
    """A node that refuses calls for more blocks than this."""

    def answer(method: str, parameters: list[Any]) -> Any:
        if method == "eth_getLogs":
            first, last = (int(parameters[0][end], 16) for end in ("fromBlock", "toBlock"))
            asked.append(last - first + 1)
            if last - first + 1 > blocks:
                raise RpcError(-32602, "query exceeds max block range")
        return FORWARD

    return answer


def test_read_logs__node_takes_small_ranges__halves_until_it_does(
    world: World, network: Network
) -> None:
    for _ in range(20):
        world.chain.rpc("evm_mine")
    asked: list[int] = []
    with node(limited(3, asked), world.chain.url) as url:
        connection = Connection([url], chain_id=CHAIN_ID)
        registry = Registry(connection, world.deployment)
        head = connection.head().number
        logs = list(
            read_logs(
                connection, registry.contract, "ShardEnrolled", first_block=0, last_block=head
            )
        )
    assert [log.arguments["shardId"] for log in logs] == [1, 2]
    assert asked[0] == head + 1
    assert sum(size for size in asked if size <= 3) == head + 1


def test_read_logs__refused_for_another_reason__is_fatal(world: World, network: Network) -> None:
    def refusing(method: str, _: list[Any]) -> Any:
        if method == "eth_getLogs":
            raise RpcError(-32601, "eth_getLogs is not supported")
        return FORWARD

    with node(refusing, world.chain.url) as url:
        connection = Connection([url], chain_id=CHAIN_ID)
        registry = Registry(connection, world.deployment)
        with pytest.raises(RpcRefused) as refused:
            registry.history.of_shard(network.entry.shard_id)
    assert refused.value.code == -32601


def test_escrow_history__node_takes_single_blocks__still_finds_the_end(
    world: World, network: Network
) -> None:
    requester = world.account("requester", tokens=TEE)
    sender = world.sender(requester)
    sender.send(world.token.approve(world.deployment.escrow, TEE))
    sent = sender.send(world.escrow.request(world.parameters(network.model_id, network.entry)))
    opened = world.history.opened_in(sent.logs)
    assert opened is not None
    settlement = world.settlement(opened.request_id, network.entry, network.tail)
    world.sender(network.entry.signer).send(world.escrow.settle(settlement))
    with node(limited(1, []), world.chain.url) as url:
        connection = Connection([url], chain_id=CHAIN_ID)
        escrow = Escrow(connection, world.deployment)
        history = EscrowHistory(connection, world.deployment, escrow)
        request = escrow.request_of(opened.request_id)
        assert history.opened(request) == opened
        ended = history.ended(request)
    assert ended == world.history.ended(request)


def test_head__real_chain__is_a_block(world: World) -> None:
    assert isinstance(world.connection.head(), Block)


def test_batch__node_ran_no_program_once__is_asked_for_one_again(
    world: World, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise one bad moment of a node makes every later read cost a call of its own."""
    monkeypatch.setattr("teetee.chain.connection._PROGRAM_PAUSE_SECONDS", 0.3)
    calls: list[bool] = []

    def fail_once(method: str, parameters: list[Any]) -> Any:
        if method == "eth_call":
            calls.append("to" not in parameters[0])
            if len(calls) == 1:
                raise RpcError(-32603, "internal error")
        return FORWARD

    with node(fail_once, world.chain.url) as url:
        connection = Connection([url], chain_id=CHAIN_ID)
        registry = Registry(connection, world.chain.deployment)
        for _ in range(2):
            batch = connection.batch()
            models, bond = registry.model_count_in(batch), registry.policy_in(batch, ModelId(1))
            models(), bond()
        assert calls == [True, False, False, False, False]
        time.sleep(0.3)
        batch = connection.batch()
        models, bond = registry.model_count_in(batch), registry.policy_in(batch, ModelId(1))
        models(), bond()
    assert calls[5:] == [True]


def test_served_chain_id__node_refuses__is_an_error_of_this_package(world: World) -> None:
    def refuse(method: str, _: list[Any]) -> Any:
        if method == "eth_chainId" and has_connected:
            raise RpcError(-32603, "internal error")
        return FORWARD

    has_connected = False
    with node(refuse, world.chain.url) as url:
        connection = Connection([url], chain_id=CHAIN_ID)
        assert connection.served_chain_id() == CHAIN_ID
        has_connected = True
        with pytest.raises(RpcRefused):
            connection.served_chain_id()
