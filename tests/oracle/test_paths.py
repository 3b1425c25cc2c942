"""Which path a request takes.

given active shards that tile the model
    it should begin with this entry and be the shortest
given a shard that failed lately
    it should come last: another path first, but the same when there is no other
given a gap, or a shard to be avoided without a replica
    it should say that there is no path
given a policy that asks for several hosts and platforms
    it should take the shortest path over as many, or say that there is none
given replicas
    it should give each about its equal part of requests, and less to a far one
    it should take one whose attestation ends before the deadline last of all
"""

from collections import Counter

import pytest

from oracle.errors import NoPath
from oracle.heads import Heads
from oracle.logs import open_log
from oracle.paths import REST_SECONDS, RegistryPaths
from oracle.peers import ChainPeers
from teetee.identifiers import ModelId, ShardId
from teetee.path import ANYWHERE, Spread
from tests.oracle.fake_chain import CHAIN_ID, SHARD, FakeChain
from tests.oracle.shards import shard

LAYERS = 8
NOBODY: frozenset[ShardId] = frozenset()


class Choice:
    """Paths over a registry in memory."""

    def __init__(
        self,
        *ranges: tuple[int, int],
        spread: Spread = ANYWHERE,
        changes: dict[int, dict[str, int]] | None = None,
    ) -> None:
        self.now = 0.0
        self.round_trips: dict[ShardId, float] = {}
        chain = FakeChain()
        chain.wanted_spread = spread
        for number, (first, end) in enumerate(ranges, start=1):
            chain.enrol(shard(number, first, end, **(changes or {}).get(number, {})))
        heads = Heads(blocks=chain, chain_id=CHAIN_ID, stale_after=0, clock=lambda: 0.0)
        peers = ChainPeers(
            registry=chain, heads=heads, stale_after=0, clock=lambda: 0.0, log=open_log()
        )
        heads.poll()
        peers.poll()
        self.paths = RegistryPaths(
            peers=peers,
            model_id=ModelId(1),
            layer_count=LAYERS,
            entry=SHARD,
            clock=lambda: self.now,
            round_trip=lambda shard_id: self.round_trips.get(shard_id),  # noqa: PLW0108 - it is set anew
        )

    def choose(self, avoiding: frozenset[ShardId] = NOBODY, *, until: int = 0) -> list[int]:
        """For a request that is over at once."""
        path = self.paths.choose(avoiding=avoiding, until=until)
        self.paths.end(path)
        return [int(shard_id) for shard_id in path]

    def shares(self, requests: int) -> Counter[int]:
        """How many of so many requests at the same time go over each shard."""
        paths = [self.paths.choose(avoiding=NOBODY) for _ in range(requests)]
        return Counter(int(shard_id) for path in paths for shard_id in path)


def test_choose__several_tile_the_model__takes_the_shortest_from_this_entry() -> None:
    assert Choice((0, 4), (4, 6), (6, 8), (4, 8)).choose() == [1, 4]


def test_choose__entry_holds_everything__goes_alone() -> None:
    assert Choice((0, 8), (4, 8)).choose() == [1]


def test_choose__a_gap__says_that_there_is_no_path() -> None:
    with pytest.raises(NoPath) as caught:
        Choice((0, 4), (5, 8)).choose()
    assert (caught.value.model_id, caught.value.layers) == (1, LAYERS)


def test_choose__one_failed_lately__prefers_its_replica_for_a_while() -> None:
    choice = Choice((0, 4), (4, 8), (4, 8))
    assert choice.choose() == [1, 2]
    choice.paths.blame([ShardId(2)])
    assert choice.choose() == [1, 3]
    assert choice.choose() == [1, 3]
    choice.now = REST_SECONDS
    assert choice.choose() == [1, 2]


def test_choose__one_failed_lately_and_has_no_replica__takes_it_again() -> None:
    choice = Choice((0, 4), (4, 8))
    choice.paths.blame([ShardId(2)])
    assert choice.choose() == [1, 2]


def test_choose__one_is_avoided_and_has_no_replica__says_that_there_is_no_path() -> None:
    with pytest.raises(NoPath):
        Choice((0, 4), (4, 8)).choose(frozenset({ShardId(2)}))


def test_blame__our_own_shard__stays_the_entry() -> None:
    choice = Choice((0, 4), (4, 8))
    choice.paths.blame([SHARD])
    assert choice.choose(frozenset({SHARD})) == [1, 2]


def test_choose__several_hosts_are_wanted__takes_the_shortest_path_over_as_many() -> None:
    ranges = ((0, 4), (4, 8), (4, 6), (6, 8))
    assert Choice(*ranges, spread=Spread(hosts=2)).choose() == [1, 2]
    assert Choice(*ranges, spread=Spread(hosts=3)).choose() == [1, 3, 4]


def test_choose__more_platforms_are_wanted_than_there_are__says_that_there_is_no_path() -> None:
    with pytest.raises(NoPath):  # all shards made here run on one machine
        Choice((0, 4), (4, 8), spread=Spread(platforms=2)).choose()


REPLICAS = ((0, 4), (4, 8), (4, 8))


def test_choose__two_replicas__share_requests_at_the_same_time() -> None:
    assert Choice(*REPLICAS).shares(21) == {1: 21, 2: 11, 3: 10}


def test_choose__two_replicas_and_little_to_do__take_turns() -> None:
    choice = Choice(*REPLICAS)
    choice.round_trips = {ShardId(2): 0.001, ShardId(3): 0.002}
    shares = Counter(choice.choose()[1] for _ in range(40))
    assert min(shares[2], shares[3]) >= 15


def test_choose__a_far_replica__gets_fewer() -> None:
    choice = Choice(*REPLICAS)
    choice.round_trips = {ShardId(2): 0.180, ShardId(3): 0.020}
    assert choice.shares(24)[2] in (4, 5)  # a fifth as fast, as (20 + 180) / (20 + 20) ms says
    idle = Choice(*REPLICAS)
    idle.round_trips = choice.round_trips
    assert {idle.choose()[1] for _ in range(20)} == {3}


def test_choose__several_ranges_have_replicas__shares_each() -> None:
    shares = Choice((0, 4), (4, 6), (4, 6), (6, 8), (6, 8)).shares(10)
    assert [shares[number] for number in (2, 3, 4, 5)] == [5, 5, 5, 5]


def test_choose__a_request_ends_or_goes_elsewhere__counts_no_more() -> None:
    choice = Choice(*REPLICAS)
    first = choice.paths.choose(avoiding=NOBODY)
    assert first == [1, 2]
    second = choice.paths.choose(avoiding=frozenset({ShardId(2)}), former=first)
    assert second == [1, 3]
    assert choice.shares(1) == {1: 1, 2: 1}
    with pytest.raises(NoPath):
        choice.paths.choose(avoiding=frozenset({ShardId(2), ShardId(3)}), former=second)
    choice.paths.end(second)
    assert choice.shares(1) == {1: 1, 3: 1}


def test_choose__an_attestation_ends_before_the_deadline__comes_last() -> None:
    soon = {2: {"attested_until": 5_000}}
    choice = Choice(*REPLICAS, changes=soon)
    assert choice.choose(until=5_000) == [1, 2]
    assert {tuple(choice.choose(until=5_001)) for _ in range(9)} == {(1, 3)}
    choice.paths.blame([ShardId(3)])
    assert choice.choose(until=5_001) == [1, 3]  # what may be unpaid comes after what failed
    assert choice.choose(frozenset({ShardId(3)}), until=5_001) == [1, 2]
    longer = Choice((0, 4), (4, 8), (4, 6), (6, 8), changes=soon)
    assert longer.choose(until=5_001) == [1, 3, 4]


def test_choose__every_path_has_one_that_ends_soon__has_no_more_than_it_must() -> None:
    ends = {"attested_until": 5_000}
    choice = Choice((0, 4), (4, 6), (6, 8), (6, 8), changes={2: ends, 3: ends})
    assert choice.choose(until=6_000) == [1, 2, 4]
