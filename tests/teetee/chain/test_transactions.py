# SPDX-License-Identifier: Apache-2.0
"""Sending on a real chain.

given a call
    when it would be refused
        it should raise the named error before anything is sent
    when the account cannot pay for gas, or gas costs more than allowed
        it should say so with both numbers
    when it is sent
        it should be confirmed, with hash, block, gas and events
    when it is not included for a while
        it should be sent again with higher fees and the same nonce, and be included once
    when it is never included
        the error should name the transaction
    when another account was faster
        it should raise the contract's refusal
    when the node fails after it was sent, or its answer is lost
        it should wait, not send twice
    when several are sent at once
        each should have a nonce of its own
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from web3.types import TxReceipt

from teetee.chain.connection import Connection
from teetee.chain.contract_errors import RequestNotOpen
from teetee.chain.errors import FeeAboveLimit, InsufficientFunds, TransactionUnconfirmed
from teetee.chain.transactions.fee_policy import SendingPolicy
from teetee.chain.transactions.sender import TransactionSender
from teetee.protocol.identifiers import RequestId
from tests.teetee.chain.local_chain import CHAIN_ID, TEE
from tests.teetee.chain.refusals import refused_with
from tests.teetee.chain.rpc_proxy import FORWARD, HttpAnswer, node
from tests.teetee.chain.world import Network, World


class Time:
    """A clock that advances only by waiting; the test decides what happens at each wait."""

    def __init__(self, on_wait: Callable[[int], None]) -> None:
        self.seconds, self.waits = 0.0, 0
        self._on_wait = on_wait

    def clock(self) -> float:
        return self.seconds

    def wait(self, _: float) -> None:
        self.waits += 1
        self.seconds += 10
        self._on_wait(self.waits)


@pytest.fixture
def no_mining(world: World, network: Network) -> Iterator[None]:
    """Blocks on demand only."""
    world.chain.rpc("evm_setAutomine", False)
    yield
    world.chain.rpc("anvil_dropAllTransactions")
    world.chain.rpc("evm_setAutomine", True)


def sender_in(
    world: World, time: Time, account: Any, policy: SendingPolicy | None = None
) -> TransactionSender:
    return TransactionSender(
        world.connection, account, policy=policy, clock=time.clock, wait=time.wait
    )


def receipt_of(world: World, transaction_hash: str) -> TxReceipt:
    return world.chain.web3.eth.get_transaction_receipt(transaction_hash)  # type: ignore[arg-type]


def test_send__call_that_is_good__is_confirmed_with_its_events(
    world: World, network: Network
) -> None:
    holder = world.account("holder", tokens=TEE)
    sent = world.sender(holder).send(world.token.transfer(world.deployment.escrow, 5))
    receipt = receipt_of(world, sent.transaction_hash)
    assert (sent.block_number, sent.gas_used) == (receipt["blockNumber"], receipt["gasUsed"])
    assert sent.fee == receipt["gasUsed"] * receipt["effectiveGasPrice"]
    assert len(sent.logs) == 1


def test_send__call_that_would_be_refused__raises_and_sends_nothing(
    world: World, network: Network
) -> None:
    holder = world.account("holder", tokens=3)
    with refused_with("ERC20InsufficientBalance") as refused:
        world.sender(holder).send(world.token.transfer(world.deployment.escrow, 5))
    assert refused.value.arguments == {"sender": holder.address, "balance": 3, "needed": 5}
    assert world.chain.web3.eth.get_transaction_count(holder.address) == 0


def test_send__without_ether__says_how_much_is_needed(world: World, network: Network) -> None:
    holder = world.account("holder", tokens=TEE)
    world.chain.fund(holder.address, 1000)
    with pytest.raises(InsufficientFunds) as refused:
        world.sender(holder).send(world.token.transfer(world.deployment.escrow, 5))
    assert (refused.value.balance, refused.value.address) == (1000, holder.address)
    assert refused.value.needed > 1000


def test_send__gas_above_the_limit__is_retryable_with_both_numbers(
    world: World, network: Network
) -> None:
    holder = world.account("holder", tokens=TEE)
    with pytest.raises(FeeAboveLimit) as refused:
        world.sender(holder, SendingPolicy(max_fee_per_gas=7)).send(
            world.token.transfer(world.deployment.escrow, 5)
        )
    assert refused.value.limit == 7
    assert refused.value.needed > 14


def test_send__several_confirmations_wanted__waits_for_them(world: World, network: Network) -> None:
    holder = world.account("holder", tokens=TEE)
    time = Time(lambda _: world.chain.rpc("evm_mine"))
    sender = sender_in(world, time, holder, SendingPolicy(confirmations=3))
    sent = sender.send(world.token.transfer(world.deployment.escrow, 5))
    assert time.waits == 2
    assert world.connection.head().number == sent.block_number + 2


@pytest.mark.usefixtures("no_mining")
def test_send__not_included__is_offered_higher_and_included_once(world: World) -> None:
    holder = world.account_without_mining("holder", tokens=TEE)

    def mine_at_last(waits: int) -> None:
        if waits == 7:  # after offers at 0, 30 and 60 s
            world.chain.rpc("evm_mine")

    tip = world.chain.web3.eth.max_priority_fee
    time = Time(mine_at_last)
    sent = sender_in(world, time, holder).send(world.token.transfer(world.deployment.escrow, 5))
    transaction = world.chain.web3.eth.get_transaction(sent.transaction_hash)  # type: ignore[arg-type]
    assert transaction["nonce"] == 0
    assert transaction["maxPriorityFeePerGas"] == pytest.approx(tip * 1.2**2, abs=2)
    assert world.token.balance_of(str(holder.address)) == TEE - 5


@pytest.mark.usefixtures("no_mining")
def test_send__never_included__names_the_transaction(world: World) -> None:
    holder = world.account_without_mining("holder", tokens=TEE)
    time = Time(lambda _: None)
    policy = SendingPolicy(give_up_after_seconds=50, resend_after_seconds=1000)
    with pytest.raises(TransactionUnconfirmed) as failed:
        sender_in(world, time, holder, policy).send(
            world.token.transfer(world.deployment.escrow, 5)
        )
    pending = world.chain.web3.eth.get_transaction(failed.value.transaction_hash)  # type: ignore[arg-type]
    assert (pending["nonce"], failed.value.nonce) == (0, 0)


@pytest.mark.usefixtures("no_mining")
def test_send__after_one_was_dropped__leaves_no_gap(world: World) -> None:
    holder = world.account_without_mining("holder", tokens=TEE)
    dropping = Time(lambda _: world.chain.rpc("anvil_dropAllTransactions"))
    sender = TransactionSender(
        world.connection,
        holder,
        policy=SendingPolicy(give_up_after_seconds=10, resend_after_seconds=1000),
        clock=dropping.clock,
        wait=dropping.wait,
    )
    call = world.token.transfer(world.deployment.escrow, 5)
    with pytest.raises(TransactionUnconfirmed):
        sender.send(call)
    world.chain.rpc("evm_setAutomine", True)
    sent = sender.send(call)
    assert world.chain.web3.eth.get_transaction(sent.transaction_hash)["nonce"] == 0  # type: ignore[arg-type]


def test_send__another_was_faster__raises_the_refusal(world: World, network: Network) -> None:
    """Both simulations succeed; the second transaction is included after the first."""
    requester = world.account("requester", tokens=TEE)
    request_id = world.open_request(network, requester)
    settlement = world.settlement(request_id, network.entry, network.tail)
    first, second = (world.account("settler") for _ in range(2))
    world.chain.rpc("evm_setAutomine", False)
    try:
        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(world.sender(account).send, world.escrow.settle(settlement))
                for account in (first, second)
            ]
            while int(world.chain.rpc("txpool_status")["pending"], 16) < 2:
                pass  # both are simulated and sent before any is included
            world.chain.rpc("evm_mine")
            outcomes = [future.exception() for future in both]
    finally:
        world.chain.rpc("evm_setAutomine", True)
    lost = [error for error in outcomes if error is not None]
    assert [type(error) for error in lost] == [RequestNotOpen]
    assert world.escrow.request_of(RequestId(request_id)).status.name == "SETTLED"


def test_send__node_goes_away_afterwards__waits_and_does_not_send_twice(
    world: World, network: Network
) -> None:
    holder = world.account("holder", tokens=TEE)
    calls: list[str] = []

    def flaky(method: str, _: list[Any]) -> Any:
        calls.append(method)
        asked = calls.count("eth_getTransactionReceipt")
        if method == "eth_getTransactionReceipt" and asked <= 3:
            raise HttpAnswer(502, b"")
        return FORWARD

    time = Time(lambda _: None)
    with node(flaky, world.chain.url) as url:
        connection = Connection([url], chain_id=CHAIN_ID)
        sender = TransactionSender(connection, holder, clock=time.clock, wait=time.wait)
        sender.send(world.token.transfer(world.deployment.escrow, 5))
    assert calls.count("eth_sendRawTransaction") == 1
    assert time.waits == 3
    assert world.token.balance_of(str(holder.address)) == TEE - 5


@pytest.mark.parametrize("nodes", [1, 2], ids=["one node", "a second node that has it mined"])
def test_send__answer_lost_after_the_node_took_it__is_followed_and_not_sent_twice(
    world: World, network: Network, nodes: int
) -> None:
    holder = world.account("holder", tokens=TEE)

    def losing(method: str, parameters: list[Any]) -> Any:
        if method == "eth_sendRawTransaction":
            world.chain.rpc(method, *parameters)
            raise HttpAnswer(504, b"")
        return FORWARD

    time = Time(lambda _: None)
    with node(losing, world.chain.url) as url:
        urls = [url, world.chain.url][:nodes]
        connection = Connection(urls, chain_id=CHAIN_ID)
        sender = TransactionSender(connection, holder, clock=time.clock, wait=time.wait)
        sent = sender.send(world.token.transfer(world.deployment.escrow, 5))
    assert receipt_of(world, sent.transaction_hash)["status"] == 1
    assert world.chain.web3.eth.get_transaction_count(holder.address) == 1
    assert world.token.balance_of(str(holder.address)) == TEE - 5


@pytest.mark.usefixtures("no_mining")
def test_send__a_second_node_has_it_waiting__is_followed(world: World) -> None:
    holder = world.account_without_mining("holder", tokens=TEE)

    def losing(method: str, parameters: list[Any]) -> Any:
        if method == "eth_sendRawTransaction":
            world.chain.rpc(method, *parameters)
            raise HttpAnswer(504, b"")
        return FORWARD

    time = Time(lambda _: world.chain.rpc("evm_mine"))
    with node(losing, world.chain.url) as url:
        connection = Connection([url, world.chain.url], chain_id=CHAIN_ID)
        sender = TransactionSender(connection, holder, clock=time.clock, wait=time.wait)
        sender.send(world.token.transfer(world.deployment.escrow, 5))
    assert world.chain.web3.eth.get_transaction_count(holder.address) == 1


def test_send__several_at_once__gives_each_a_nonce_of_its_own(
    world: World, network: Network
) -> None:
    holder = world.account("holder", tokens=TEE)
    sender = world.sender(holder)
    call = world.token.transfer(world.deployment.escrow, 1)
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda _: sender.send(call), range(16)))
    assert len({one.transaction_hash for one in sent}) == 16
    assert world.token.balance_of(str(holder.address)) == TEE - 16


def test_send__account_used_elsewhere_too__takes_the_next_nonce(
    world: World, network: Network
) -> None:
    holder = world.account("holder", tokens=TEE)
    call = world.token.transfer(world.deployment.escrow, 1)
    first, second = world.sender(holder), world.sender(holder)
    for sender in (first, second, first, second):
        sender.send(call)
    assert world.chain.web3.eth.get_transaction_count(holder.address) == 4
