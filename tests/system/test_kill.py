# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the entry's oracle, as if its machine lost power.

given a paid request at some moment of its life
    when the entry's process is killed and restarted
        it should be settled exactly once, with a readable answer
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
from tests.system.followed_request import SECONDS, FollowedRequest
from tests.system.relay import Relays
from tests.system.requester import Requester

pytestmark = pytest.mark.system

ENDS = ("RequestSettled", "RequestDeclined", "RequestRefunded")


def kill_immediately(world: World, followed: FollowedRequest, relays: Relays) -> None:
    world.enclave("entry").kill(world.supervisor)


def kill_during_generation(world: World, followed: FollowedRequest, relays: Relays) -> None:
    followed.wait_for_text()
    world.enclave("entry").kill(world.supervisor)


def kill_before_settlement(world: World, followed: FollowedRequest, relays: Relays) -> None:
    """The answer is complete, and the connection to the chain is cut."""
    followed.wait_for_text()
    entry, rpc = world.enclave("entry"), relays.before(world.chain.port)
    since = entry.line_count
    rpc.shut()
    entry.await_event("task failed", since=since)
    entry.kill(world.supervisor)
    rpc.restore()


def kill_with_settlement_sent(world: World, followed: FollowedRequest, relays: Relays) -> None:
    """The node has the transaction and makes no blocks."""
    followed.wait_for_text()
    _stop_mining(world)
    _await_settlement(world)
    world.enclave("entry").kill(world.supervisor)
    begin_block_time(world.chain)


def kill_with_settlement_included(world: World, followed: FollowedRequest, relays: Relays) -> None:
    """The transaction is in a block that the oracle has not read."""
    followed.wait_for_text()
    _stop_mining(world)
    _await_settlement(world)
    relays.before(world.chain.port).shut()
    world.chain.call("evm_mine")
    world.enclave("entry").kill(world.supervisor)
    relays.before(world.chain.port).restore()
    begin_block_time(world.chain)


Moment = Callable[[World, FollowedRequest, Relays], None]


@pytest.mark.parametrize(
    ("moment", "tokens"),
    [
        pytest.param(kill_immediately, 4, id="after the request was opened"),
        pytest.param(kill_during_generation, 48, id="during generation"),
        pytest.param(kill_before_settlement, 24, id="before the settlement is sent"),
        pytest.param(kill_with_settlement_sent, 24, id="after the settlement was sent"),
        pytest.param(kill_with_settlement_included, 24, id="after the settlement was included"),
    ],
)
def test_restart__killed_at_a_moment__settles_exactly_once(
    world: World, requester: Requester, relays: Relays, moment: Moment, tokens: int
) -> None:
    opened = requester.open(RequestSpec("Name three colors.", max_tokens=tokens), "entry")
    followed = FollowedRequest(requester, opened)
    moment(world, followed, relays)
    entry = world.enclave("entry")
    entry.start(world.supervisor)
    entry.await_serving()

    outcome = followed.outcome()
    assert isinstance(outcome, Answered)
    assert outcome.answer.text.startswith("1. Red")
    assert _ends(requester, opened) == ["RequestSettled"]
    # Nothing follows when the oracle has read the chain again, as its next answer shows.
    following = requester.open(RequestSpec("Name three colors.", max_tokens=2), "entry")
    assert isinstance(requester.wait(following), Answered)
    requester.client.forget(following)
    assert _ends(requester, opened) == ["RequestSettled"]
    requester.client.forget(opened)


def _stop_mining(world: World) -> None:
    world.chain.call("evm_setIntervalMining", 0)


def _await_settlement(world: World) -> None:
    """Wait until the entry's signer has a pending transaction."""
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


def _ends(requester: Requester, opened: OpenRequest) -> list[str]:
    contracts = requester.contracts
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
