# SPDX-License-Identifier: Apache-2.0
"""A shard is in only while Intel's chain and its model say so: in a running world, with requests
under way.

given an entry whose PCK certificate is revoked while it answers
    when anybody has it judged anew
        it should be out in that block, and known to be by all within seconds
        and the request be answered by the other entry
given a stage on a platform that is denied while it answers
    when anybody has it judged anew
        it should be out, the links to it closed within seconds, and the request be given back
given a kind of platform whose TCB is lowered, or an image that is withdrawn
    when anybody has the shards judged anew while a request is under way
        all of them should be out, and what is under way be given back
given collateral that has ended
    when anybody has the shards judged anew
        they should pause, and serve again after fresh collateral
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from demo.phases.enclaves import Enclave
from demo.world import World
from teetee.chain.contract_errors import ContractRejected, RequestNotOpen
from teetee.chain.types.requests import RequestDeclined, RequestStatus
from teetee.chain.types.shards import ShardStatus
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.open_request import OpenRequest
from teetee.client.requests.request_spec import RequestSpec
from tests.system.asking import Asking
from tests.system.relay import Relays
from tests.system.verdicts import Verdicts, await_closed

pytestmark = pytest.mark.system

SPEC = RequestSpec("Name three colors.", max_tokens=4)
LONG = RequestSpec("Tell a long story about a lighthouse.", max_tokens=48, deadline_seconds=60)
SOON = 10.0
"""Seconds within which everybody has heard of an eviction."""


@pytest.fixture
def verdicts(world: World) -> Iterator[Verdicts]:
    made = Verdicts.on(world)
    yield made
    made.make_well()


def assert_out_in_the_block_of(verdicts: Verdicts, enclave: Enclave, transaction: str) -> None:
    receipt = verdicts.connection.web3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
    block = verdicts.connection.block(int(receipt["blockNumber"]))
    before = verdicts.connection.block(block.number - 1)
    assert verdicts.shard(enclave, before).status is ShardStatus.ACTIVE
    assert verdicts.shard(enclave, block).status is ShardStatus.EVICTED
    assert not verdicts.registry.is_active(enclave.shard_id, block)  # type: ignore[arg-type]


@contextmanager
def under_way(
    asking: Asking, relays: Relays, spec: RequestSpec, *recipients: str
) -> Iterator[OpenRequest]:
    """A request that cannot be answered meanwhile: nothing reaches its second stage."""
    relay = relays.before(asking.world.enclave("middle").port)
    relay.hold()
    try:
        yield asking.open(spec, *recipients)
    finally:
        relay.release()


def assert_open_at(
    asking: Asking, verdicts: Verdicts, opened: OpenRequest, transaction: str
) -> None:
    receipt = verdicts.connection.web3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
    block = verdicts.connection.block(int(receipt["blockNumber"]))
    request = asking.contracts.escrow.request_of(opened.request_id, block)
    assert request.status is RequestStatus.OPEN


def given_back(asking: Asking, opened: OpenRequest) -> Unanswered:
    """Refunded by anybody once the deadline is over, if the entry has not declined before."""
    anybody = Asking.of(asking.world, "anybody")
    deadline = asking.contracts.escrow.request_of(opened.request_id).deadline
    asking.world.chain.advance(max(0, deadline - asking.world.chain.now()) + 1)
    with suppress(RequestNotOpen):
        anybody.send(asking.contracts.escrow.refund(opened.request_id))
    outcome = asking.wait(opened)
    assert isinstance(outcome, Unanswered)
    assert outcome.ended.refund == outcome.request.deposit > 0
    asking.client.forget(opened)
    return outcome


def test_recheck__entrys_certificate_is_revoked__other_entry_answers(
    world: World, asking: Asking, verdicts: Verdicts, relays: Relays
) -> None:
    entry, second, last = (world.enclave(name) for name in ("entry", "second", "last"))
    since = last.said
    spec = replace(LONG, deadline_seconds=40)
    with under_way(asking, relays, spec, "entry", "second") as opened:
        verdicts.intel_says(revoked_pcks=[verdicts.serial(entry)])
        said = verdicts.synchronize()
        (judged,) = [each for each in said["rechecks"] if each["transaction"]]
        assert (judged["shardId"], judged["after"]) == (entry.shard_id, "EVICTED")
        assert_out_in_the_block_of(verdicts, entry, judged["transaction"])
        assert_open_at(asking, verdicts, opened, judged["transaction"])
        heard = last.await_event("shard is no longer active", since=since)
        assert heard["shard_id"] == entry.shard_id
    outcome = asking.wait(opened)
    assert isinstance(outcome, Answered)
    assert outcome.settled.stages[0].shard_id == second.shard_id
    asking.client.forget(opened)
    with pytest.raises(ContractRejected):  # revoked for good: a fresh quote does not help
        _renew(verdicts, entry)


def test_recheck__stages_platform_is_denied__links_close_and_the_request_is_given_back(
    world: World, asking: Asking, verdicts: Verdicts, relays: Relays
) -> None:
    middle = world.enclave("middle")
    asking.client.forget(_answered(asking))
    relay = relays.before(middle.port)
    assert relay.open_ends > 0
    platform_id = verdicts.shard(middle).platform_id
    try:
        with under_way(asking, relays, replace(LONG, deadline_seconds=30), "entry") as opened:
            verdicts.at_once("denyPlatform", platform_id)
            judged = verdicts.recheck(middle)
            assert_out_in_the_block_of(verdicts, middle, judged["transaction"])
            assert_open_at(asking, verdicts, opened, judged["transaction"])
        await_closed(lambda: relay.open_ends == 0, SOON)
        outcome = asking.wait(opened)
        assert isinstance(outcome, Unanswered)
        assert isinstance(outcome.ended, RequestDeclined)
        assert outcome.ended.refund == outcome.request.deposit > 0
        asking.client.forget(opened)
    finally:
        verdicts.with_notice("readmitPlatform", platform_id)


def test_recheck__tcb_is_lowered__all_of_the_kind_are_out(
    world: World, asking: Asking, verdicts: Verdicts, relays: Relays
) -> None:
    with under_way(asking, relays, LONG, "entry") as opened:
        verdicts.intel_says(platform_status="OutOfDate")
        said = verdicts.synchronize()
        assert {each["after"] for each in said["rechecks"]} == {"EVICTED"}
        for enclave, judged in zip(world.enclaves, said["rechecks"], strict=True):
            assert_out_in_the_block_of(verdicts, enclave, judged["transaction"])
        assert_open_at(asking, verdicts, opened, said["rechecks"][0]["transaction"])
        given_back(asking, opened)


def test_recheck__image_is_withdrawn__all_that_run_it_are_out(
    world: World, asking: Asking, verdicts: Verdicts, relays: Relays
) -> None:
    measurement = verdicts.shard(world.enclave("last")).measurement
    try:
        with under_way(asking, relays, LONG, "entry") as opened:
            verdicts.at_once("withdrawMeasurement", world.model_id, measurement)
            first, *others = world.enclaves
            judged = verdicts.recheck(first)
            assert_open_at(asking, verdicts, opened, judged["transaction"])
            assert_out_in_the_block_of(verdicts, first, judged["transaction"])
            for enclave in others:
                judged = verdicts.recheck(enclave)
                assert_out_in_the_block_of(verdicts, enclave, judged["transaction"])
            given_back(asking, opened)
    finally:
        verdicts.with_notice("allowMeasurement", world.model_id, measurement)


def test_recheck__collateral_has_ended__all_pause_until_there_is_fresh(
    world: World, asking: Asking, verdicts: Verdicts
) -> None:
    verdicts.intel_says(life_seconds=300)
    verdicts.synchronize()
    world.chain.advance(400)
    for enclave in world.enclaves:
        assert verdicts.recheck(enclave)["after"] == "PAUSED"
        assert verdicts.status(enclave) is ShardStatus.PAUSED
    verdicts.intel_says()
    said = verdicts.synchronize()
    assert {each["after"] for each in said["rechecks"]} == {"ACTIVE"}
    asking.client.forget(_answered(asking))


def _answered(asking: Asking) -> OpenRequest:
    opened = asking.open(SPEC, "entry")
    assert isinstance(asking.wait(opened), Answered)
    return opened


def _renew(verdicts: Verdicts, enclave: Enclave) -> None:
    said = verdicts.world.command.attempt(
        f"host-{enclave.plan.name}", "host", "renew", str(enclave.shard_id), wallet=enclave.host
    )
    if said.error:
        raise ContractRejected(said.error)
