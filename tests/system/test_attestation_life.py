# SPDX-License-Identifier: Apache-2.0
"""Shards that become unfit by collateral or policy while requests are in progress, in a running
world.

given an entry whose PCK certificate is revoked while it answers
    when anyone rechecks it
        it should be evicted in that block, and all shards should know within seconds
        the other entry should answer the request
given a stage whose platform is denied while it computes
    when anyone rechecks it
        it should be evicted, its links closed within seconds, and the request refunded
given a kind of platform whose TCB level is lowered, or an image that is withdrawn
    when anyone rechecks the shards while a request is in progress
        all of them should be evicted, and the request refunded
given expired collateral
    when anyone rechecks the shards
        they should pause, and serve again with fresh collateral
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from demo.phases.enclaves import EnclaveProcess
from demo.world import World
from teetee.chain.contract_errors import ContractRejected, RequestNotOpen
from teetee.chain.types.requests import RequestDeclined, RequestStatus
from teetee.chain.types.shards import ShardStatus
from teetee.client.requests.await_answer import Answered, Unanswered
from teetee.client.requests.open_request import OpenRequest
from teetee.client.requests.request_spec import RequestSpec
from tests.system.attestation_changes import AttestationChanges, await_closed
from tests.system.relay import Relays
from tests.system.requester import Requester

pytestmark = pytest.mark.system

SPEC = RequestSpec("Name three colors.", max_tokens=4)
LONG = RequestSpec("Write a long text about a lighthouse.", max_tokens=48, deadline_seconds=60)
SOON_SECONDS = 10.0
"""Within this time all shards know of an eviction."""


@pytest.fixture
def changes(world: World) -> Iterator[AttestationChanges]:
    changes = AttestationChanges.on(world)
    yield changes
    changes.restore_all()


def assert_evicted_in_the_block_of(
    changes: AttestationChanges, enclave: EnclaveProcess, transaction: str
) -> None:
    receipt = changes.connection.web3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
    block = changes.connection.block(int(receipt["blockNumber"]))
    before = changes.connection.block(block.number - 1)
    assert changes.shard(enclave, before).status is ShardStatus.ACTIVE
    assert changes.shard(enclave, block).status is ShardStatus.EVICTED
    assert not changes.registry.is_active(enclave.shard_id, block)  # type: ignore[arg-type]


@contextmanager
def in_progress(
    requester: Requester, relays: Relays, spec: RequestSpec, *recipients: str
) -> Iterator[OpenRequest]:
    """A request that stays unanswered within the block: nothing reaches its second stage."""
    relay = relays.before(requester.world.enclave("middle").port)
    relay.stall()
    try:
        yield requester.open(spec, *recipients)
    finally:
        relay.resume()


def assert_open_at(
    requester: Requester, changes: AttestationChanges, opened: OpenRequest, transaction: str
) -> None:
    receipt = changes.connection.web3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
    block = changes.connection.block(int(receipt["blockNumber"]))
    request = requester.contracts.escrow.request_of(opened.request_id, block)
    assert request.status is RequestStatus.OPEN


def refunded(requester: Requester, opened: OpenRequest) -> Unanswered:
    """The outcome after a refund past the deadline, or after the entry declined."""
    stranger = Requester.of(requester.world, "stranger")
    deadline = requester.contracts.escrow.request_of(opened.request_id).deadline
    requester.world.chain.advance(max(0, deadline - requester.world.chain.now()) + 1)
    with suppress(RequestNotOpen):
        stranger.send(requester.contracts.escrow.refund(opened.request_id))
    outcome = requester.wait(opened)
    assert isinstance(outcome, Unanswered)
    assert outcome.ended.refund == outcome.request.deposit > 0
    requester.client.forget(opened)
    return outcome


def test_recheck__entrys_certificate_is_revoked__other_entry_answers(
    world: World, requester: Requester, changes: AttestationChanges, relays: Relays
) -> None:
    entry, second, last = (world.enclave(name) for name in ("entry", "second", "last"))
    since = last.line_count
    spec = replace(LONG, max_tokens=12, deadline_seconds=40)
    with in_progress(requester, relays, spec, "entry", "second") as opened:
        changes.set_collateral(revoked_pcks=[changes.serial(entry)])
        output = changes.upload_and_recheck()
        (recheck,) = [each for each in output["rechecks"] if each["transaction"]]
        assert (recheck["shardId"], recheck["after"]) == (entry.shard_id, "EVICTED")
        assert_evicted_in_the_block_of(changes, entry, recheck["transaction"])
        assert_open_at(requester, changes, opened, recheck["transaction"])
        event = last.await_event("shard is no longer active", since=since)
        assert event["shard_id"] == entry.shard_id
    outcome = requester.wait(opened)
    assert isinstance(outcome, Answered)
    assert outcome.settled.stages[0].shard_id == second.shard_id
    requester.client.forget(opened)
    with pytest.raises(ContractRejected):  # revoked permanently: a fresh quote does not help
        _renew(changes, entry)


def test_recheck__stages_platform_is_denied__links_close_and_the_request_is_refunded(
    world: World, requester: Requester, changes: AttestationChanges, relays: Relays
) -> None:
    middle = world.enclave("middle")
    requester.client.forget(_answered(requester))
    relay = relays.before(middle.port)
    assert relay.open_sockets > 0
    platform_id = changes.shard(middle).platform_id
    try:
        with in_progress(requester, relays, replace(LONG, deadline_seconds=30), "entry") as opened:
            changes.change_immediately("denyPlatform", platform_id)
            recheck = changes.recheck(middle)
            assert_evicted_in_the_block_of(changes, middle, recheck["transaction"])
            assert_open_at(requester, changes, opened, recheck["transaction"])
        await_closed(lambda: relay.open_sockets == 0, SOON_SECONDS)
        outcome = requester.wait(opened)
        assert isinstance(outcome, Unanswered)
        assert isinstance(outcome.ended, RequestDeclined)
        assert outcome.ended.refund == outcome.request.deposit > 0
        requester.client.forget(opened)
    finally:
        changes.change_with_notice("readmitPlatform", platform_id)


def test_recheck__tcb_is_lowered__all_of_the_kind_are_evicted(
    world: World, requester: Requester, changes: AttestationChanges, relays: Relays
) -> None:
    with in_progress(requester, relays, LONG, "entry") as opened:
        changes.set_collateral(platform_status="OutOfDate")
        output = changes.upload_and_recheck()
        assert {each["after"] for each in output["rechecks"]} == {"EVICTED"}
        for enclave, recheck in zip(world.enclaves, output["rechecks"], strict=True):
            assert_evicted_in_the_block_of(changes, enclave, recheck["transaction"])
        assert_open_at(requester, changes, opened, output["rechecks"][0]["transaction"])
        refunded(requester, opened)


def test_recheck__image_is_withdrawn__all_that_run_it_are_evicted(
    world: World, requester: Requester, changes: AttestationChanges, relays: Relays
) -> None:
    measurement = changes.shard(world.enclave("last")).measurement
    try:
        with in_progress(requester, relays, LONG, "entry") as opened:
            changes.change_immediately("withdrawMeasurement", world.model_id, measurement)
            first, *others = world.enclaves
            recheck = changes.recheck(first)
            assert_open_at(requester, changes, opened, recheck["transaction"])
            assert_evicted_in_the_block_of(changes, first, recheck["transaction"])
            for enclave, outcome in zip(others, changes.recheck_all(*others), strict=True):
                assert outcome.sent is not None
                assert_evicted_in_the_block_of(changes, enclave, outcome.sent.transaction_hash)
            refunded(requester, opened)
    finally:
        changes.change_with_notice("allowMeasurement", world.model_id, measurement)


def test_recheck__collateral_expired__all_pause_until_it_is_fresh(
    world: World, requester: Requester, changes: AttestationChanges
) -> None:
    changes.set_collateral(life_seconds=300)
    changes.upload_and_recheck()
    world.chain.advance(400)
    assert changes.recheck(world.enclave("entry"))["after"] == "PAUSED"
    outcomes = changes.recheck_all(*world.enclaves)
    assert {outcome.after for outcome in outcomes} == {ShardStatus.PAUSED}
    assert {changes.status(enclave) for enclave in world.enclaves} == {ShardStatus.PAUSED}
    changes.set_collateral()
    output = changes.upload_and_recheck()
    assert {each["after"] for each in output["rechecks"]} == {"ACTIVE"}
    requester.client.forget(_answered(requester))


def _answered(requester: Requester) -> OpenRequest:
    opened = requester.open(SPEC, "entry")
    assert isinstance(requester.wait(opened), Answered)
    return opened


def _renew(changes: AttestationChanges, enclave: EnclaveProcess) -> None:
    output = changes.world.command.attempt(
        f"host-{enclave.plan.name}", "host", "renew", str(enclave.shard_id), wallet=enclave.host
    )
    if output.error:
        raise ContractRejected(output.error)
