# SPDX-License-Identifier: Apache-2.0
"""The peer directory.

given active shards in the registry
    it should find them by id and accept their keys, and no others
given a shard that is evicted, or whose attestation expires
    it should refuse it: after the next poll, or in the very second of chain time
given a chain that cannot be read
    it should keep its view for a while, and then refuse every peer
given a shard with an unusable endpoint
    it should leave it out and keep the others
"""

import pytest

from oracle.chain.heads import Heads
from oracle.chain.peers import ChainPeers
from oracle.errors import HeadIsStale, WrongChainNow
from oracle.process.logs import open_log
from shard_runtime.errors import PeerUnknown
from teetee.chain.errors import RpcUnavailable
from teetee.protocol.identifiers import ShardId
from teetee.protocol.layers import LayerRange
from tests.oracle.fake_chain import CHAIN_ID, FakeChain
from tests.oracle.shards import shard, tls

STALE_AFTER = 40


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heads(chain: FakeChain, clock: Clock) -> Heads:
    return Heads(blocks=chain, chain_id=CHAIN_ID, stale_after=STALE_AFTER, clock=clock)


@pytest.fixture
def peers(chain: FakeChain, heads: Heads, clock: Clock) -> ChainPeers:
    return ChainPeers(
        registry=chain, heads=heads, stale_after=STALE_AFTER, clock=clock, log=open_log()
    )


def look(heads: Heads, peers: ChainPeers) -> None:
    heads.poll()
    peers.poll()


def test_find__shard_is_active__gives_place_keys_and_layers(
    chain: FakeChain, heads: Heads, peers: ChainPeers
) -> None:
    chain.enrol(shard(1, 0, 4))
    chain.enrol(shard(2, 4, 8, endpoint="[::1]:7443"))
    look(heads, peers)
    found = peers.find(ShardId(2))
    assert (found.host, found.port, found.layers) == ("::1", 7443, LayerRange(4, 8))
    assert (found.tls, found.signer) == (tls(2), shard(2).keyset.signer)
    assert [one.shard_id for one in peers.active_shards()] == [1, 2]
    assert peers.accepts(tls(1))
    assert not peers.accepts(tls(3))


def test_find__shard_is_evicted__refuses_it_after_the_next_poll(
    chain: FakeChain, heads: Heads, peers: ChainPeers
) -> None:
    chain.enrol(shard(1))
    look(heads, peers)
    chain.evict(ShardId(1))
    look(heads, peers)
    with pytest.raises(PeerUnknown) as caught:
        peers.find(ShardId(1))
    assert caught.value.shard_id == 1
    assert not peers.accepts(tls(1))


def test_accepts__attestation_expires__refuses_it_by_chain_time_without_another_reading(
    chain: FakeChain, heads: Heads, peers: ChainPeers
) -> None:
    chain.enrol(shard(1, attested_until=chain.head().timestamp + 4))
    look(heads, peers)
    assert peers.accepts(tls(1))
    chain.mine(1, seconds=2)
    heads.poll()
    assert peers.accepts(tls(1)), "its last second counts"
    chain.mine(1, seconds=1)
    heads.poll()
    assert not peers.accepts(tls(1))
    assert peers.active_shards() == []


def test_accepts__node_stops_answering__believes_the_view_only_for_a_while(
    chain: FakeChain, heads: Heads, peers: ChainPeers, clock: Clock
) -> None:
    chain.enrol(shard(1))
    look(heads, peers)
    chain.is_down = True
    with pytest.raises(RpcUnavailable):
        look(heads, peers)
    clock.now = STALE_AFTER
    assert peers.accepts(tls(1))
    clock.now = STALE_AFTER + 1
    assert not peers.accepts(tls(1))


def test_accepts__node_repeats_an_old_head__believes_it_only_for_a_while(
    chain: FakeChain, heads: Heads, peers: ChainPeers, clock: Clock
) -> None:
    chain.enrol(shard(1))
    look(heads, peers)
    clock.now = STALE_AFTER + 1
    heads.poll()
    with pytest.raises(HeadIsStale) as caught:
        peers.poll()
    assert (caught.value.age, caught.value.limit) == (STALE_AFTER + 1, STALE_AFTER)
    assert not peers.accepts(tls(1))
    chain.mine()
    look(heads, peers)
    assert peers.accepts(tls(1))


def test_poll__registry_cannot_be_read_while_blocks_come__believes_the_view_only_for_a_while(
    chain: FakeChain, heads: Heads, peers: ChainPeers, clock: Clock
) -> None:
    chain.enrol(shard(1))
    look(heads, peers)
    clock.now = STALE_AFTER + 1
    chain.mine()
    heads.poll()
    assert not peers.accepts(tls(1))


def test_poll__node_speaks_for_another_chain__raises_and_keeps_the_view(
    chain: FakeChain, heads: Heads, peers: ChainPeers
) -> None:
    chain.enrol(shard(1))
    look(heads, peers)
    chain.node_chain_id = 1
    with pytest.raises(WrongChainNow) as caught:
        heads.poll()
    assert (caught.value.expected, caught.value.found) == (CHAIN_ID, 1)
    assert peers.accepts(tls(1))


def test_poll__endpoint_is_unusable__leaves_out_that_shard_alone(
    chain: FakeChain, heads: Heads, peers: ChainPeers
) -> None:
    chain.enrol(shard(1))
    chain.enrol(shard(2, 4, 8, endpoint="nonsense"))
    look(heads, peers)
    assert [one.shard_id for one in peers.active_shards()] == [1]
