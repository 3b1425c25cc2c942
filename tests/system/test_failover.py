# SPDX-License-Identifier: Apache-2.0
"""When stages are gone in the middle of a paid answer.

given two shards of the middle layers, of two hosts, and a request whose text has begun to come
    when the process of the one that computes for it is killed, or frozen
        it should be answered with the text of a run in which nothing happens, each piece shown once
        the other shard and its host should be settled and paid, and the answer be proven
        the one that went should keep its bond and its place, and earn nothing
given a stage without a replica, and a request whose text has begun to come
    when its process is frozen
        the request should wait for another until shortly before its deadline
        it should then be declined for want of a path, with everything back and nobody penalised
        the next one should be answered when the stage is back

That no cache stays is seen from within: tests/shard_runtime/engine/test_failover.py.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from demo.phases.enclaves import Enclave
from demo.plan import ShardPlan
from demo.world import World
from teetee.chain.types.requests import Account, DeclineReason, RequestDeclined
from teetee.chain.types.shards import ShardStatus
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.identifiers import ShardId
from tests.system.asking import Asking
from tests.system.relay import Relays
from tests.system.waiting import Waiting

pytestmark = pytest.mark.system

LONG = RequestSpec("Tell a long story about a lighthouse.", max_tokens=48, deadline_seconds=60)
# So many tokens take longer than until the stage freezes. Oracles give up 3 s before a deadline,
# the escrow takes none that is nearer than 10 s when the request comes, and until then time passes.
SHORT_OF_TIME = replace(LONG, max_tokens=256, deadline_seconds=25)


@pytest.fixture(scope="module")
def middles(running_world: World) -> Iterator[list[Enclave]]:
    """The world's shard of the middle layers, and one more, of which the entry has heard."""
    entry, middle = running_world.enclave("entry"), running_world.enclave("middle")
    since = entry.said
    replica = running_world.join(ShardPlan("replica", middle.plan.layers))
    heard = entry.await_event("shard became active", since=since)
    assert heard["shard_id"] == replica.shard_id
    yield [middle, replica]
    running_world.leave(replica)


@pytest.fixture(scope="module")
def undisturbed(running_world: World) -> str:
    """What is answered when nothing happens."""
    asking = Asking.of(running_world, "requester")
    opened = asking.open(LONG, "entry")
    outcome = asking.wait(opened)
    assert isinstance(outcome, Answered)
    asking.client.forget(opened)
    return outcome.answer.text


@contextmanager
def killed(enclave: Enclave, world: World) -> Iterator[None]:
    """With -9; the world starts it again after the test."""
    enclave.kill(world.supervisor)
    yield


@contextmanager
def frozen(enclave: Enclave, _world: World) -> Iterator[None]:
    """Its process is there, its connections are open, and nothing comes."""
    with enclave.frozen():
        yield


Strike = Callable[[Enclave, World], AbstractContextManager[None]]


@pytest.mark.parametrize("strike", [killed, frozen], ids=lambda strike: strike.__name__)
def test_ask__stage_goes_in_the_middle_of_an_answer__its_replica_goes_on_and_is_paid(
    world: World,
    asking: Asking,
    relays: Relays,
    middles: list[Enclave],
    undisturbed: str,
    strike: Strike,
) -> None:
    opened = asking.open(LONG, "entry")
    waiting = Waiting(asking, opened)
    waiting.until_text_comes()
    struck, other = _busiest_first(middles, relays, waiting)
    bonds, account, earned = _bonds(asking), _account(asking, struck), _account(asking, other)
    with strike(struck, world):
        said = waiting.said
        outcome = waiting.outcome()

    assert isinstance(outcome, Answered)
    assert outcome.answer.text == waiting.said == undisturbed
    assert 0 < len(said) < len(undisturbed)
    stages = outcome.settled.stages
    assert (stages[1].shard_id, stages[1].host) == (other.shard_id, other.host.address)
    assert {stage.shard_id for stage in stages}.isdisjoint({struck.shard_id})
    report = asking.client.verify(opened.request_id)
    assert (report.failures, report.verified, report.sums_up) == ((), True, True)
    assert _bonds(asking) == bonds
    assert asking.contracts.registry.is_active(ShardId(struck.shard_id))
    assert _account(asking, struck) == account
    assert _account(asking, other).credit == earned.credit + stages[1].amount > earned.credit
    asking.client.forget(opened)


def test_ask__stage_without_replica_freezes_in_the_middle__is_given_back_in_time(
    world: World, asking: Asking
) -> None:
    opened = asking.open(SHORT_OF_TIME, "entry")
    waiting = Waiting(asking, opened)
    waiting.until_text_comes()
    bonds = _bonds(asking)
    with world.enclave("last").frozen():
        outcome = waiting.outcome()

    assert isinstance(outcome, Unanswered)
    assert isinstance(outcome.ended, RequestDeclined)
    assert outcome.ended.reason is DeclineReason.NO_PATH
    assert outcome.ended.refund == outcome.request.deposit > 0
    assert _bonds(asking) == bonds
    assert asking.client.verify(opened.request_id).verified
    asking.client.forget(opened)

    again = asking.open(RequestSpec("Name three colors.", max_tokens=4), "entry")
    assert isinstance(asking.wait(again), Answered)
    asking.client.forget(again)


def _busiest_first(
    enclaves: list[Enclave], relays: Relays, waiting: Waiting
) -> tuple[Enclave, Enclave]:
    """The one of the two that most goes to while more text comes, and the other."""
    before = {each.name: _heard(each, relays) for each in enclaves}
    waiting.until_text_comes(pieces=4)
    idle, busy = sorted(enclaves, key=lambda each: _heard(each, relays) - before[each.name])
    return busy, idle


def _heard(enclave: Enclave, relays: Relays) -> int:
    return len(relays.before(enclave.port).heard())


def _bonds(asking: Asking) -> dict[int, tuple[int, ShardStatus]]:
    """Of all shards, and what they are."""
    registry = asking.contracts.registry
    shards = [registry.shard(ShardId(each.shard_id)) for each in asking.world.enclaves]
    return {int(shard.shard_id): (shard.bond, shard.status) for shard in shards}


def _account(asking: Asking, enclave: Enclave) -> Account:
    return asking.contracts.escrow.account_of(enclave.host.address)
