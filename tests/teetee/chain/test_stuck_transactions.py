# SPDX-License-Identifier: Apache-2.0
"""Sending while gas prices change and blocks do not include everything, on a chain that mines on
demand (M6, M7).

given a transaction that was sent
    when the base fee rises above its offer
        it should be raised up to the limit, and be included as soon as the limit allows
    when the node drops it
        it should be sent again
    when it was given up
        the same call should be waited for again, and another call should take its nonce
    when it was given up at the limit, so that nothing may replace it
        another call should take the next nonce, and both should be included
    when it was given up, and a later one waits behind it
        the later one should raise it
    when an earlier process left it pending, at any price below the limit
        the next process should replace it
    when another transaction of the account uses its nonce
        it should say so, not wait
    when a reorganisation drops earlier ones that were included
        it should be included all the same, whether or not they are sent again
given several calls
    when the first of them is not included
        the others should not wait for it
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from teetee.chain.calldata import Call
from teetee.chain.errors import (
    FeeAboveLimit,
    RpcUnavailable,
    TransactionReplaced,
    TransactionUnconfirmed,
)
from teetee.chain.transactions.events import SendingEvent, SendingStep
from teetee.chain.transactions.fee_policy import SendingPolicy
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from tests.teetee.chain.local_chain import TEE
from tests.teetee.chain.world import Network, World

GWEI = 10**9
LIMIT = 50 * GWEI
POLICY = SendingPolicy(
    resend_after_seconds=3,
    give_up_after_seconds=60,
    raise_percent=50,
    reach_limit_seconds=12,
    max_fee_per_gas=LIMIT,
)
HASTY = SendingPolicy(
    resend_after_seconds=3, give_up_after_seconds=6, raise_percent=50, max_fee_per_gas=LIMIT
)


class Market:
    """A chain that mines on demand, and an account on it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.holder = world.account_without_mining("holder", tokens=TEE)
        self.events: list[SendingEvent] = []
        self.base_fee(GWEI // 10)
        self.mine()

    def base_fee(self, wei: int) -> None:
        """Of the next block."""
        self.world.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))

    def mine(self) -> None:
        self.world.chain.rpc("evm_mine")

    def block_at(self, wei: int) -> None:
        """One block with this base fee."""
        self.base_fee(wei)
        self.mine()

    def transfer(self, amount: int) -> Call:
        return self.world.token.transfer(self.world.deployment.escrow, amount)

    def sender(
        self,
        on_wait: Callable[[int], None] = lambda _: None,
        *,
        policy: SendingPolicy = POLICY,
        is_sole_sender: bool = True,
    ) -> TransactionSender:
        """Its clock advances by a second at each wait."""
        seconds, lock = [0], threading.Lock()

        def wait(_: float) -> None:
            with lock:
                seconds[0] += 1
                on_wait(seconds[0])

        return TransactionSender(
            self.world.connection,
            self.holder,
            policy=policy,
            is_sole_sender=is_sole_sender,
            clock=lambda: seconds[0],
            wait=wait,
            on_event=self.events.append,
        )

    def steps(self) -> list[SendingStep]:
        return [event.step for event in self.events]

    def included(self) -> int:
        return self.world.connection.included_count(str(self.holder.address))

    def fees_of(self, sent: ConfirmedTransaction) -> tuple[int, int, int]:
        found: Any = self.world.chain.web3.eth.get_transaction(sent.transaction_hash)  # type: ignore[arg-type]
        return found["nonce"], found["maxFeePerGas"], found["maxPriorityFeePerGas"]

    def give_up(self, sender: TransactionSender, call: Call) -> None:
        with pytest.raises(TransactionUnconfirmed):
            sender.send(call)


@pytest.fixture
def market(world: World, network: Network) -> Iterator[Market]:
    world.chain.rpc("evm_setAutomine", False)
    yield Market(world)
    world.chain.rpc("anvil_dropAllTransactions")
    world.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    world.chain.rpc("evm_setAutomine", True)
    world.chain.rpc("evm_mine")


def test_m6__base_fee_rises_to_just_below_the_limit__is_included_within_the_decline_margin(
    market: Market,
) -> None:
    """The review's case: 0.1 gwei when it is sent, 40 gwei from then on, a limit of 50."""
    waits = []

    def wait(seconds: int) -> None:
        waits.append(seconds)
        market.block_at(40 * GWEI)

    sent = market.sender(wait).send(market.transfer(1))
    nonce, max_fee, _ = market.fees_of(sent)
    assert (nonce, max_fee) == (0, LIMIT)
    assert max(waits) <= 13


def test_m6__base_fee_stays_above_the_limit__offers_the_limit_until_it_falls(
    market: Market,
) -> None:
    def wait(seconds: int) -> None:
        market.block_at(60 * GWEI if seconds < 40 else 49 * GWEI)

    sent = market.sender(wait).send(market.transfer(1))
    assert market.fees_of(sent)[:2] == (0, LIMIT)
    raised = [event.fees.max_fee for event in market.events if event.step is SendingStep.RAISED]
    assert raised[-1] == LIMIT
    assert raised == sorted(set(raised))


def test_m6__gas_costs_more_than_the_limit_and_the_node_refuses__is_retryable(
    market: Market,
) -> None:
    market.block_at(60 * GWEI)
    with pytest.raises(FeeAboveLimit) as refused:
        market.sender().send(market.transfer(1))
    assert (refused.value.needed, refused.value.limit) == (60 * GWEI, LIMIT)
    market.block_at(40 * GWEI)
    sent = market.sender(lambda _: market.mine()).send(market.transfer(1))
    assert market.fees_of(sent)[:2] == (0, LIMIT)


def test_m6__node_drops_it_at_the_limit__is_sent_again(market: Market) -> None:
    def wait(seconds: int) -> None:
        if seconds == 20:
            market.world.chain.rpc("anvil_dropAllTransactions")
        if seconds == 30:
            market.mine()

    sent = market.sender(wait).send(market.transfer(1))
    assert market.fees_of(sent)[:2] == (0, LIMIT)


def test_m6__given_up_and_sent_again__is_the_same_transaction(market: Market) -> None:
    sender = market.sender(lambda seconds: market.mine() if seconds == 8 else None, policy=HASTY)
    market.give_up(sender, market.transfer(1))
    sender.send(market.transfer(1))
    assert market.included() == 1
    assert market.steps().count(SendingStep.SENT) == 1
    assert sender.in_flight == 0


def test_m6__given_up_and_another_call_follows__takes_its_nonce(market: Market) -> None:
    sender = market.sender(lambda seconds: market.mine() if seconds > 6 else None, policy=HASTY)
    market.give_up(sender, market.transfer(1))
    sent = sender.send(market.transfer(2))
    assert market.fees_of(sent)[0] == 0
    assert market.world.token.balance_of(str(market.holder.address)) == TEE - 2
    assert sender.in_flight == 0


def test_m6__given_up_at_the_limit__next_call_is_sent_behind_it(market: Market) -> None:
    """`nonce.py`: on a node that counts it as pending, nothing may replace it."""
    policy = SendingPolicy(
        resend_after_seconds=3,
        give_up_after_seconds=9,
        reach_limit_seconds=3,
        max_fee_per_gas=LIMIT,
    )

    sender = market.sender(lambda seconds: market.mine() if seconds > 9 else None, policy=policy)
    market.give_up(sender, market.transfer(1))
    sent = sender.send(market.transfer(2))
    assert market.fees_of(sent)[0] == 1
    assert market.included() == 2
    assert market.world.token.balance_of(str(market.holder.address)) == TEE - 3


def test_m6__several_in_flight_and_the_first_is_given_up__later_ones_raise_it(
    market: Market,
) -> None:
    clock = SharedClock()
    sender = TransactionSender(
        market.world.connection,
        market.holder,
        policy=SendingPolicy(
            resend_after_seconds=3,
            give_up_after_seconds=20,
            raise_percent=50,
            max_fee_per_gas=LIMIT,
        ),
        is_sole_sender=True,
        clock=clock.now,
        wait=clock.wait,
        on_event=market.events.append,
    )
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(sender.send, market.transfer(1))
        clock.advance_until(lambda: clock.seconds >= 15)
        second = pool.submit(sender.send, market.transfer(2))
        clock.advance_until(first.done)
        assert isinstance(first.exception(), TransactionUnconfirmed)
        offered = market.events[-1].fees.max_fee
        clock.advance_until(lambda: _last_raise(market, 0) > offered)
        market.block_at(GWEI)
        clock.advance_until(second.done)
    assert market.fees_of(second.result())[0] == 1
    assert market.included() == 2


def _last_raise(market: Market, nonce: int) -> int:
    return next(
        (event.fees.max_fee for event in reversed(market.events) if event.nonce == nonce), 0
    )


class SharedClock:
    """Advances while the test says so; the senders' waits end with each second."""

    def __init__(self) -> None:
        self.seconds = 0
        self._changed = threading.Condition()

    def now(self) -> float:
        return self.seconds

    def wait(self, _: float) -> None:
        with self._changed:
            seen = self.seconds
            self._changed.wait_for(lambda: self.seconds > seen, timeout=0.5)

    def advance_until(self, condition: Callable[[], bool]) -> None:
        """A second at a time, each long enough for the senders to ask the node."""
        pause = threading.Event()
        for _ in range(400):
            if condition():
                return
            with self._changed:
                self.seconds += 1
                self._changed.notify_all()
            pause.wait(0.05)
        pytest.fail("it does not happen")


@pytest.mark.parametrize("price", [GWEI, 20 * GWEI, LIMIT // 2], ids=["cheap", "dear", "half"])
def test_m6__earlier_process_left_one_pending__is_replaced(market: Market, price: int) -> None:
    market.base_fee(price // 2)
    market.mine()
    market.give_up(market.sender(policy=HASTY), market.transfer(1))
    restarted = market.sender(lambda _: market.mine())
    sent = restarted.send(market.transfer(2))
    assert market.fees_of(sent)[0] == 0
    assert market.world.token.balance_of(str(market.holder.address)) == TEE - 2


def test_m7__another_sender_takes_its_nonce__says_so_and_does_not_wait(market: Market) -> None:
    """Two senders with one key, as the oracle had: the dearer transaction wins."""
    waited = []

    def wait(seconds: int) -> None:
        waited.append(seconds)
        if seconds == 1:
            rival.send(market.transfer(2))

    rival = market.sender(lambda _: market.mine())
    with pytest.raises(TransactionReplaced) as lost:
        market.sender(wait).send(market.transfer(1))
    assert lost.value.nonce == 0
    assert max(waited) <= 3
    assert market.steps()[-1] is SendingStep.REPLACED


def clocked_sender(market: Market, clock: SharedClock) -> TransactionSender:
    """The account's only sender, which waits by that clock."""
    return TransactionSender(
        market.world.connection,
        market.holder,
        policy=POLICY,
        is_sole_sender=True,
        clock=clock.now,
        wait=clock.wait,
        on_event=market.events.append,
    )


def test_m6__first_of_several_is_not_included__others_do_not_wait(market: Market) -> None:
    """Each has its own nonce at once; the chain includes them in order when it can."""
    clock = SharedClock()
    sender = clocked_sender(market, clock)
    with ThreadPoolExecutor(8) as pool:
        sending: list[Future[ConfirmedTransaction]] = [
            pool.submit(sender.send, market.transfer(amount)) for amount in range(1, 9)
        ]
        clock.advance_until(lambda: market.steps().count(SendingStep.SENT) == 8)
        assert clock.seconds < 60
        assert sender.in_flight == 8
        market.mine()
        clock.advance_until(lambda: all(each.done() for each in sending))
    assert sorted(market.fees_of(each.result())[0] for each in sending) == list(range(8))


def test_reorganisation__drops_included_ones_before_one_in_flight__is_included_all_the_same(
    market: Market,
) -> None:
    """Two declines were included and are dropped; one call would repeat both. So one nonce before
    the third, which is in flight, would stay free.
    """
    clock = SharedClock()
    sender = clocked_sender(market, clock)
    with ThreadPoolExecutor(3) as pool:
        dropped = [pool.submit(sender.send, market.transfer(1)) for _ in range(2)]
        clock.advance_until(lambda: market.steps().count(SendingStep.SENT) == 2)
        market.mine()
        clock.advance_until(lambda: all(each.done() for each in dropped))
        third = pool.submit(sender.send, market.transfer(2))
        clock.advance_until(lambda: market.steps().count(SendingStep.SENT) == 3)
        market.world.chain.rpc("anvil_reorg", 1, [])
        assert market.included() == 0
        repeated = pool.submit(sender.send, market.transfer(3))
        clock.advance_until(lambda: market.mine() or (third.done() and repeated.done()))
    assert market.fees_of(repeated.result())[0] == 0
    assert market.fees_of(third.result())[0] == 2
    assert market.world.token.balance_of(str(market.holder.address)) == TEE - 5


def test_m6__free_nonces_before_it_cannot_be_read__is_raised_all_the_same(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> int:
        raise RpcUnavailable({"node": "no answer"})

    def wait(_: int) -> None:
        monkeypatch.setattr(market.world.connection, "included_count", fail)
        market.block_at(40 * GWEI)

    sent = market.sender(wait).send(market.transfer(1))
    assert market.fees_of(sent)[:2] == (0, LIMIT)


def test_m6__many_free_nonces__fills_a_few_at_once_those_that_block_first(market: Market) -> None:
    sender = market.sender()
    for expected in (8, 16, 20, 20):
        sender._fill_gaps(20)
        assert sender.in_flight == expected
    market.mine()
    assert market.included() == 20
