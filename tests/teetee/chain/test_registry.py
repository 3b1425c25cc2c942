# SPDX-License-Identifier: Apache-2.0
"""Models and shards in the registry.

given enrolled shards
    when they are read
        they should have their enclaves' values, with keys verified against contract state
    when one is renewed, retired, expired or evicted
        its status should show it, and only active shards be listed
    when the node changes a key in an event
        the shard should be refused
    when the node withholds the event
        it should be retryable
given a shard's attestation
    its quote and claims should be in the event, also if its host is a contract
given a node that says nonsense about one shard
    the others should be read, and the reason be given
"""

from typing import Any

import pytest
from eth_utils.crypto import keccak

from oracle.chain.registry import ChainRegistryReader
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import (
    UnknownShard,
)
from teetee.chain.contracts.registry import Registry
from teetee.chain.errors import LogMissing, ShardIdentityMismatch
from teetee.chain.types.shards import ShardStatus
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.path import choose_path
from teetee.quotes.tcb_status import TcbStatus
from tests.teetee.chain.local_chain import ATTESTATION_PERIOD, BOND, CHAIN_ID, UNBONDING_PERIOD
from tests.teetee.chain.refusals import refused_with
from tests.teetee.chain.rpc_proxy import FORWARD, node
from tests.teetee.chain.world import (
    EVALUATION_NUMBER,
    INPUT_PRICE,
    MANIFEST,
    MEASUREMENT,
    OUTPUT_PRICE,
    PCK_ID,
    PLATFORM,
    Enclave,
    Network,
    World,
)


def test_model__published__is_what_the_manifest_says(world: World, network: Network) -> None:
    model = world.registry.model(network.model_id)
    assert model.layer_digests == MANIFEST.layer_digests
    assert (model.embedding_digest, model.head_digest) == (
        MANIFEST.embedding_digest,
        MANIFEST.head_digest,
    )
    assert (model.name, model.layer_count, model.context_length) == ("test-model", 6, 2048)
    assert model.deposit(10, 20) == 10 * INPUT_PRICE + 20 * OUTPUT_PRICE
    layers = network.entry.identity.layers
    assert model.slice_digest(layers, True) == network.entry.identity.slice_digest


def test_shard__enrolled__is_what_its_enclave_said(world: World, network: Network) -> None:
    shard = world.registry.shard(network.entry.shard_id)
    identity = network.entry.identity
    assert world.registry.identity(shard) == identity
    assert shard.identity_digest == identity.identity_digest()
    assert (shard.endpoint, shard.measurement, shard.pck_id, shard.platform_id) == (
        "127.0.0.1:7700",
        MEASUREMENT,
        PCK_ID,
        PLATFORM,
    )
    assert (shard.status, shard.is_active, shard.bond) == (ShardStatus.ACTIVE, True, BOND)
    assert world.registry.payout_of(shard.host) == shard.host
    assert world.connection.block(shard.quoted_block_number).hash == shard.quoted_block_hash


def test_shard__unknown__is_named(world: World) -> None:
    with pytest.raises(UnknownShard) as refused:
        world.registry.shard(ShardId(999))
    assert refused.value.arguments == {"shardId": 999}


def test_active_shards__of_a_model__tile_it(world: World, network: Network) -> None:
    shards = world.registry.active_shards(network.model_id)
    path = choose_path(shards, 6, network.model_id)
    assert [shard.shard_id for shard in path] == [network.entry.shard_id, network.tail.shard_id]
    assert world.registry.active_shards(ModelId(network.model_id + 1)) == ()


def renew(world: World, enclave: Enclave, endpoint: str = "127.0.0.1:7701") -> bytes:
    # A simulated call runs in the head block, where the head's own hash is unknown.
    block = world.connection.block(world.connection.head().number - 1)
    quote = world.quote_of(enclave.identity, block)
    call = world.registry.renew(
        enclave.shard_id,
        enclave.identity.keyset,
        endpoint=endpoint,
        block_number=block.number,
        quote=quote,
        pck_id=PCK_ID,
    )
    world.sender(enclave.host).send(call)
    return quote


def test_shard__renewed__has_the_new_endpoint_and_quote(world: World, network: Network) -> None:
    before = world.registry.shard(network.entry.shard_id)
    world.chain.pass_time(1000)
    quote = renew(world, network.entry)
    after = world.registry.shard(network.entry.shard_id)
    assert after.endpoint == "127.0.0.1:7701"
    assert after.quote_hash != before.quote_hash
    assert after.identity_digest == before.identity_digest
    assert after.attested_until > before.attested_until
    assert world.registry.quote(after) == (quote, PCK_ID)
    history = world.registry.history.of_shard(network.entry.shard_id)
    assert [attestation.quote_hash for attestation in history] == [
        before.quote_hash,
        after.quote_hash,
    ]
    assert {attestation.tcb_status for attestation in history} == {TcbStatus.UP_TO_DATE}
    assert {attestation.evaluation_number for attestation in history} == {EVALUATION_NUMBER}


def test_shard__read_at_an_earlier_block__is_as_it_was_then(world: World, network: Network) -> None:
    then = world.connection.head()
    renew(world, network.entry)
    assert world.registry.shard(network.entry.shard_id, then).endpoint == "127.0.0.1:7700"


def test_h6_quote__of_an_enrolment__is_in_its_event(world: World, network: Network) -> None:
    shard = world.registry.shard(network.entry.shard_id)
    assert world.registry.quote(shard) == (network.entry.quote_core, PCK_ID)
    assert world.registry.quote_argument(shard) == (network.entry.quote_core, PCK_ID)
    claims = world.registry.claims(shard)
    assert (claims.measurement, claims.platform_id) == (MEASUREMENT, PLATFORM)
    assert claims.quote_hash() == shard.quote_hash


def test_h6_quote__shard_was_read_by_another_registry__is_found(
    world: World, network: Network
) -> None:
    before = world.registry.shard(network.entry.shard_id)
    quote = renew(world, network.entry)
    fresh = Registry(world.connection, world.deployment)
    assert fresh.quote(before) == (network.entry.quote_core, PCK_ID)
    assert fresh.quote(fresh.shard(before.shard_id)) == (quote, PCK_ID)


def test_h6_shards__node_changes_ones_claims__the_others_are_read(
    world: World, network: Network
) -> None:
    core_hash = world.registry.claims(world.registry.shard(network.tail.shard_id)).core_hash
    with node(changing(world, core_hash.hex(), bytes(32).hex())) as url:
        registry = Registry(Connection([url], chain_id=CHAIN_ID), world.deployment)
        ids = [network.entry.shard_id, network.tail.shard_id]
        found, problems = registry.readable_shards(ids)
        assert [shard.shard_id for shard in found] == [network.entry.shard_id]
        assert {shard_id: type(each) for shard_id, each in problems.items()} == {
            network.tail.shard_id: LogMissing
        }
        with pytest.raises(LogMissing):
            registry.shards(ids)


def test_active_shards__one_retired__leaves_the_others(world: World, network: Network) -> None:
    world.sender(network.tail.host).send(world.registry.retire(network.tail.shard_id))
    active = world.registry.active_shards(network.model_id)
    assert [shard.shard_id for shard in active] == [network.entry.shard_id]
    shard = world.registry.shard(network.tail.shard_id)
    assert (shard.status, shard.is_active) == (ShardStatus.RETIRED, False)
    (departure,) = world.registry.history.departures(network.tail.shard_id)
    assert not departure.is_eviction
    assert departure.block_number == world.connection.head().number


def test_active_shards__attestation_expired__are_none_and_can_be_evicted(
    world: World, network: Network
) -> None:
    with refused_with("ShardStillFit"):
        world.sender(network.tail.host).send(world.registry.evict(network.tail.shard_id))
    world.chain.pass_time(ATTESTATION_PERIOD + 1)
    assert world.registry.active_shards(network.model_id) == ()
    world.sender(network.tail.host).send(world.registry.evict(network.tail.shard_id))
    assert world.registry.shard(network.tail.shard_id).status is ShardStatus.EVICTED
    departures = world.registry.history.departures(network.tail.shard_id)
    assert [departure.is_eviction for departure in departures] == [True]


def test_shard__replaced_by_its_enclaves_next_one__is_still_read_from_history(
    world: World, network: Network
) -> None:
    before = world.registry.shard(network.tail.shard_id)
    world.sender(network.tail.host).send(world.registry.retire(network.tail.shard_id))
    world.chain.pass_time(UNBONDING_PERIOD + 1)
    world.sender(network.tail.host).send(world.registry.withdraw_bond(network.tail.shard_id))
    world.enrol_again(network.tail)
    after = world.registry.shard(network.tail.shard_id)
    assert (after.status, after.is_active, after.bond) == (ShardStatus.RETIRED, False, 0)
    assert after.keyset == before.keyset
    assert after.quote_hash == before.quote_hash
    signer = network.tail.identity.keyset.signer
    assert world.registry.shard_of(signer) == world.registry.shard_count()


def test_was_measurement_allowed__withdrawn_later__depends_on_the_block(
    world: World, network: Network
) -> None:
    before = world.connection.head().number
    contract = world.chain.contract("ShardRegistry", world.deployment.registry)
    withdraw = contract.functions.withdrawMeasurement(network.model_id, MEASUREMENT)
    world.chain.act(world.chain.deployer, withdraw)
    after = world.connection.head().number
    history = world.registry.history
    assert history.was_measurement_allowed(network.model_id, MEASUREMENT, before)
    assert not history.was_measurement_allowed(network.model_id, MEASUREMENT, after)
    assert not history.was_measurement_allowed(network.model_id, bytes(32), before)
    assert not world.registry.is_measurement_allowed(network.model_id, MEASUREMENT)


def test_retire__by_a_stranger__is_refused_by_name(world: World, network: Network) -> None:
    stranger = world.account("stranger")
    with refused_with("NotTheHost") as refused:
        world.sender(stranger).send(world.registry.retire(network.entry.shard_id))
    assert refused.value.arguments["caller"] == stranger.address


def test_enrol__twice_or_signed_by_another__is_refused_by_name(
    world: World, network: Network
) -> None:
    with refused_with("SignerAlreadyEnrolled"):
        world.enrol_again(network.entry)
    with refused_with("EnrolmentNotSigned"):
        world.enrol(network.model_id, 4, 6, signed_by=world.account("stranger"))


def test_shard__node_puts_another_key_into_the_event__is_refused(
    world: World, network: Network
) -> None:
    kem = network.entry.identity.keyset.kem.hex()
    with node(changing(world, kem, keccak(text="an attacker's key").hex())) as url:
        registry = Registry(Connection([url], chain_id=CHAIN_ID), world.deployment)
        with pytest.raises(ShardIdentityMismatch) as refused:
            registry.shard(network.entry.shard_id)
    assert refused.value.shard_id == network.entry.shard_id
    assert refused.value.stored == network.entry.identity.identity_digest()


def test_shard__node_withholds_the_event__is_retryable(world: World, network: Network) -> None:
    def withholding(method: str, _: list[Any]) -> Any:
        return [] if method == "eth_getLogs" else FORWARD

    with node(withholding, world.chain.url) as url:
        registry = Registry(Connection([url], chain_id=CHAIN_ID), world.deployment)
        with pytest.raises(LogMissing):
            registry.shard(network.entry.shard_id)


def changing(world: World, old: str, new: str) -> Any:
    """A node that changes the values in its events."""

    def answer(method: str, parameters: list[Any]) -> Any:
        result = world.chain.rpc(method, *parameters)
        if method == "eth_getLogs":
            return [entry | {"data": entry["data"].replace(old, new)} for entry in result]
        return result

    return answer


def test_h7__peers_of_a_model_are_read_again__costs_two_calls(
    world: World, network: Network
) -> None:
    asked: list[str] = []

    def counting(method: str, _: list[Any]) -> Any:
        asked.append(method)
        return FORWARD

    with node(counting, world.chain.url) as url:
        connection = Connection([url], chain_id=CHAIN_ID)
        reader = ChainRegistryReader(
            Registry(connection, world.deployment),
            model_id=network.model_id,
            signer=network.entry.identity.keyset.signer,
        )
        at = connection.head()
        shards, spread = reader.active_shards(at=at), reader.spread(at=at)
        asked.clear()
        assert (reader.active_shards(at=at), reader.spread(at=at)) == (shards, spread)
    assert asked == ["eth_call", "eth_call"]
    assert spread == world.registry.policy(network.model_id).spread
    assert len(shards) >= 2
