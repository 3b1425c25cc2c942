# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the entry's oracle, as a machine does it that loses power.

given a paid request at some moment of its life
    when the entry's process is killed and started again
        it should be settled, once, and the answer be readable
"""

import threading
from collections.abc import Callable

import pytest

from demo.phases.chain import begin_block_time
from demo.world import World
from teetee.chain.logs import read_logs
from teetee.client.requests.await_answer import Answered
from teetee.client.requests.open_request import OpenRequest
from teetee.client.requests.request_spec import RequestSpec
from tests.system.asking import Asking
from tests.system.relay import Relays
from tests.system.waiting import SECONDS, Waiting

pytestmark = pytest.mark.system

ENDS = ("RequestSettled", "RequestDeclined", "RequestRefunded")


def kill_at_once(world: World, waiting: Waiting, relays: Relays) -> None:
    world.enclave("entry").kill(world.supervisor)


def kill_during_generation(world: World, waiting: Waiting, relays: Relays) -> None:
    waiting.until_text_comes()
    world.enclave("entry").kill(world.supervisor)


def kill_before_settlement(world: World, waiting: Waiting, relays: Relays) -> None:
    """The answer is made, and the way to the chain is cut."""
    waiting.until_text_comes()
    entry, rpc = world.enclave("entry"), relays.before(world.chain.port)
    since = entry.said
    rpc.go_down()
    entry.await_event("chain cannot be read", since=since)
    entry.kill(world.supervisor)
    rpc.come_back()


def kill_with_settlement_sent(world: World, waiting: Waiting, relays: Relays) -> None:
    """The transaction is with the node, which makes no blocks."""
    waiting.until_text_comes()
    _stop_mining(world)
    _await_settlement(world)
    world.enclave("entry").kill(world.supervisor)
    begin_block_time(world.chain)


def kill_with_settlement_included(world: World, waiting: Waiting, relays: Relays) -> None:
    """The transaction is in a block which the oracle has not seen."""
    waiting.until_text_comes()
    _stop_mining(world)
    _await_settlement(world)
    relays.before(world.chain.port).go_down()
    world.chain.call("evm_mine")
    world.enclave("entry").kill(world.supervisor)
    relays.before(world.chain.port).come_back()
    begin_block_time(world.chain)


Moment = Callable[[World, Waiting, Relays], None]


@pytest.mark.parametrize(
    ("moment", "tokens"),
    [
        pytest.param(kill_at_once, 4, id="after the request was opened"),
        pytest.param(kill_during_generation, 48, id="during generation"),
        pytest.param(kill_before_settlement, 24, id="before the settlement is sent"),
        pytest.param(kill_with_settlement_sent, 24, id="after the settlement was sent"),
        pytest.param(kill_with_settlement_included, 24, id="after the settlement was included"),
    ],
)
def test_restart__killed_at_a_moment__settles_exactly_once(
    world: World, asking: Asking, relays: Relays, moment: Moment, tokens: int
) -> None:
    opened = asking.open(RequestSpec("Name three colors.", max_tokens=tokens), "entry")
    waiting = Waiting(asking, opened)
    moment(world, waiting, relays)
    entry = world.enclave("entry")
    entry.start(world.supervisor)
    entry.await_serving()

    outcome = waiting.outcome()
    assert isinstance(outcome, Answered)
    assert outcome.answer.text.startswith("1. Red")
    assert _ends(asking, opened) == ["RequestSettled"]
    # Nothing follows when the oracle has looked at the chain again.
    entry.await_event("request ended", since=0)
    assert _ends(asking, opened) == ["RequestSettled"]
    asking.client.forget(opened)


def _stop_mining(world: World) -> None:
    world.chain.call("evm_setIntervalMining", 0)


def _await_settlement(world: World) -> None:
    """Until the entry's signer has a transaction that waits."""
    signer, deadline = world.enclave("entry").signer, threading.Event()
    for _ in range(int(SECONDS / 0.05)):
        counts = [
            world.chain.call("eth_getTransactionCount", signer, tag)
            for tag in ("latest", "pending")
        ]
        if counts[0] != counts[1]:
            return
        deadline.wait(0.05)
    raise AssertionError("no settlement was sent")


def _ends(asking: Asking, opened: OpenRequest) -> list[str]:
    contracts = asking.contracts
    return [
        log.event
        for event in ENDS
        for log in read_logs(
            contracts.connection,
            contracts.escrow.contract,
            event,
            first_block=0,
            last_block=contracts.connection.head().number,
            requestId=opened.request_id,
        )
    ]
