# SPDX-License-Identifier: Apache-2.0
"""Stages that fail in the middle of a paid answer.

given two shards of the middle layers, of two hosts, and an answer in progress
    when the process of the computing shard is killed or suspended
        the answer should equal that of an undisturbed run, each piece streamed once
        the other shard should be settled and its host paid, and the answer verified
        the lost shard should keep its bond and its enrolment, and earn nothing
given a stage without a replica, and an answer in progress
    when its process is suspended
        the request should wait for another shard until shortly before its deadline
        it should then be declined because no path exists, refunded, and without a penalty
        the next request should be answered once the stage runs again

That no KV cache stays allocated is tested in tests/shard_runtime/engine/test_failover.py.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from demo.phases.enclaves import EnclaveProcess
from demo.plan import ShardPlan
from demo.world import World
from teetee.chain.types.requests import Account, DeclineReason, RequestDeclined
from teetee.chain.types.shards import ShardStatus
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.identifiers import ShardId
from tests.system.followed_request import FollowedRequest
from tests.system.relay import Relays
from tests.system.requester import Requester

pytestmark = pytest.mark.system

LONG = RequestSpec("Write a long text about a lighthouse.", max_tokens=48, deadline_seconds=60)
# Enough tokens that the stage is suspended before they are done. Oracles decline 3 s before a
# deadline, and the escrow requires at least 10 s until the deadline.
SHORT_OF_TIME = replace(LONG, max_tokens=256, deadline_seconds=25)


@pytest.fixture(scope="module")
def middles(running_world: World) -> Iterator[list[EnclaveProcess]]:
    """The world's shard of the middle layers, and one more that the entry knows of."""
    entry, middle = running_world.enclave("entry"), running_world.enclave("middle")
    since = entry.line_count
    replica = running_world.add_shard(ShardPlan("replica", middle.plan.layers))
    event = entry.await_event("shard became active", since=since)
    assert event["shard_id"] == replica.shard_id
    yield [middle, replica]
    running_world.remove_shard(replica)


@pytest.fixture(scope="module")
def undisturbed(running_world: World) -> str:
    """The answer of an undisturbed run."""
    requester = Requester.of(running_world, "requester")
    opened = requester.open(LONG, "entry")
    outcome = requester.wait(opened)
    assert isinstance(outcome, Answered)
    requester.client.forget(opened)
    return outcome.answer.text


@contextmanager
def killed(enclave: EnclaveProcess, world: World) -> Iterator[None]:
    """Killed with -9; the world restarts it after the test."""
    enclave.kill(world.supervisor)
    yield


@contextmanager
def frozen(enclave: EnclaveProcess, _world: World) -> Iterator[None]:
    """Its process exists and its connections are open, but it is suspended."""
    with enclave.frozen():
        yield


Disturbance = Callable[[EnclaveProcess, World], AbstractContextManager[None]]


@pytest.mark.parametrize("disturbance", [killed, frozen], ids=["killed", "frozen"])
def test_ask__stage_fails_in_the_middle_of_an_answer__its_replica_continues_and_is_paid(
    world: World,
    requester: Requester,
    relays: Relays,
    middles: list[EnclaveProcess],
    undisturbed: str,
    disturbance: Disturbance,
) -> None:
    opened = requester.open(LONG, "entry")
    followed = FollowedRequest(requester, opened)
    followed.wait_for_text()
    lost, other = _busiest_first(middles, relays, followed)
    bonds = _bonds(requester)
    account, earned = _account(requester, lost), _account(requester, other)
    with disturbance(lost, world):
        text = followed.text
        outcome = followed.outcome()

    assert isinstance(outcome, Answered)
    assert outcome.answer.text == followed.text == undisturbed
    assert 0 < len(text) < len(undisturbed)
    stages = outcome.settled.stages
    assert (stages[1].shard_id, stages[1].host) == (other.shard_id, other.host.address)
    assert {stage.shard_id for stage in stages}.isdisjoint({lost.shard_id})
    report = requester.client.verify(opened.request_id)
    assert (report.failures, report.verified, report.sums_up) == ((), True, True)
    assert _bonds(requester) == bonds
    assert requester.contracts.registry.is_active(ShardId(lost.shard_id))
    assert _account(requester, lost) == account
    assert _account(requester, other).credit == earned.credit + stages[1].amount > earned.credit
    requester.client.forget(opened)


def test_ask__stage_without_replica_freezes_in_the_middle__is_refunded_in_time(
    world: World, requester: Requester
) -> None:
    opened = requester.open(SHORT_OF_TIME, "entry")
    followed = FollowedRequest(requester, opened)
    followed.wait_for_text()
    bonds = _bonds(requester)
    with world.enclave("last").frozen():
        outcome = followed.outcome()

    assert isinstance(outcome, Unanswered)
    assert isinstance(outcome.ended, RequestDeclined)
    assert outcome.ended.reason is DeclineReason.NO_PATH
    assert outcome.ended.refund == outcome.request.deposit > 0
    assert _bonds(requester) == bonds
    assert requester.client.verify(opened.request_id).verified
    requester.client.forget(opened)

    retry = requester.open(RequestSpec("Name three colors.", max_tokens=4), "entry")
    assert isinstance(requester.wait(retry), Answered)
    requester.client.forget(retry)


def _busiest_first(
    enclaves: list[EnclaveProcess], relays: Relays, followed: FollowedRequest
) -> tuple[EnclaveProcess, EnclaveProcess]:
    """Of the two, the one with more traffic during the next text, and the other."""
    before = {each.name: _traffic(each, relays) for each in enclaves}
    followed.wait_for_text(pieces=4)
    idle, busy = sorted(enclaves, key=lambda each: _traffic(each, relays) - before[each.name])
    return busy, idle


def _traffic(enclave: EnclaveProcess, relays: Relays) -> int:
    return len(relays.before(enclave.port).recorded())


def _bonds(requester: Requester) -> dict[int, tuple[int, ShardStatus]]:
    """Bond and status of each shard."""
    registry = requester.contracts.registry
    shards = [registry.shard(ShardId(each.shard_id)) for each in requester.world.enclaves]
    return {int(shard.shard_id): (shard.bond, shard.status) for shard in shards}


def _account(requester: Requester, enclave: EnclaveProcess) -> Account:
    return requester.contracts.escrow.account_of(enclave.host.address)
