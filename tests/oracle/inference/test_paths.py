# SPDX-License-Identifier: Apache-2.0
"""The choice of a job's path.

given active shards that tile the model
    it should begin with this entry and be the shortest
given a shard that failed recently
    it should come last: another path first, but the same when there is no other
given a shard whose attestation ends before the job expires
    it should come last, after failed ones: its work may stay unpaid
given shards that are slow, far or loaded
    it should choose the path expected to be the fastest
given a gap, or a shard to be avoided without a replica
    it should raise that there is no path
given a policy that asks for several hosts and platforms
    it should choose the shortest path over as many, or raise that there is none
"""

import random
from collections.abc import Callable

import pytest

from oracle.chain.heads import Heads
from oracle.chain.peers import ChainPeers
from oracle.inference.errors import NoPath
from oracle.inference.paths import AVOIDANCE_SECONDS, MAX_PAIRS, RegistryPaths
from oracle.process.logs import open_log
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.path import NO_SPREAD, Spread
from tests.oracle.fake_chain import CHAIN_ID, SHARD, FakeChain
from tests.oracle.shards import shard

LAYERS = 8
NO_SHARDS: frozenset[ShardId] = frozenset()


class Unmoved(random.Random):
    """Chooses the lowest, unless it is told to move."""

    moves = False

    def uniform(self, a: float, b: float) -> float:
        return super().uniform(a, b) if self.moves else a


class Choice:
    """Paths over a registry in memory."""

    def __init__(
        self, *ranges: tuple[int, int], spread: Spread = NO_SPREAD, ending: int = 0
    ) -> None:
        self.now = 0.0
        self.random = Unmoved()
        self.seconds: dict[ShardId, float] = {}
        chain = FakeChain()
        chain.wanted_spread = spread
        for number, (first, end) in enumerate(ranges, start=1):
            changes = {"attested_until": 5_000} if number == ending else {}
            chain.enrol(shard(number, first, end, **changes))
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
            cost=lambda shard_id: self.seconds.get(shard_id, 0.001),
            clock=lambda: self.now,
            random_source=self.random,
        )

    def choose(
        self,
        avoiding: frozenset[ShardId] = NO_SHARDS,
        *,
        until: int = 0,
        permits: Callable[[ShardId], bool] = lambda _: True,
    ) -> list[int]:
        path = self.paths.choose(avoiding=avoiding, permits=permits, until=until)
        return [int(each) for each in path]


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
    choice.paths.record_failure([ShardId(2)])
    assert choice.choose() == [1, 3]
    choice.now = AVOIDANCE_SECONDS
    assert choice.choose() == [1, 2]


def test_choose__one_failed_lately_and_has_no_replica__takes_it_again() -> None:
    choice = Choice((0, 4), (4, 8))
    choice.paths.record_failure([ShardId(2)])
    assert choice.choose() == [1, 2]


def test_choose__one_is_avoided_and_has_no_replica__says_that_there_is_no_path() -> None:
    with pytest.raises(NoPath):
        Choice((0, 4), (4, 8)).choose(frozenset({ShardId(2)}))


def test_record_failure__of_the_entry_itself__it_stays_the_entry() -> None:
    choice = Choice((0, 4), (4, 8))
    choice.paths.record_failure([SHARD])
    assert choice.choose(frozenset({SHARD})) == [1, 2]


def test_choose__replicas_of_different_speed__takes_the_path_that_is_likely_the_fastest() -> None:
    choice = Choice((0, 4), (4, 8), (4, 8), (4, 6), (6, 8))
    choice.seconds = {SHARD: 9.0, ShardId(2): 0.03, ShardId(3): 0.02}
    assert choice.choose() == [1, 4, 5]
    choice.seconds |= {ShardId(4): 0.015, ShardId(5): 0.006}
    assert choice.choose() == [1, 3]
    choice.paths.record_failure([ShardId(3)])
    assert choice.choose() == [1, 4, 5]


def test_choose__an_attestation_ends_before_the_deadline__comes_last() -> None:
    choice = Choice((0, 4), (4, 8), (4, 8), ending=2)
    assert choice.choose(until=5_000) == [1, 2]
    assert choice.choose(until=5_001) == [1, 3]
    choice.paths.record_failure([ShardId(3)])
    assert choice.choose(until=5_001) == [1, 3]
    assert choice.choose(frozenset({ShardId(3)}), until=5_001) == [1, 2]


def test_choose__several_hosts_are_wanted__takes_the_shortest_path_over_as_many() -> None:
    ranges = ((0, 4), (4, 8), (4, 6), (6, 8))
    assert Choice(*ranges, spread=Spread(hosts=2)).choose() == [1, 2]
    assert Choice(*ranges, spread=Spread(hosts=3)).choose() == [1, 3, 4]


def test_choose__more_platforms_are_wanted_than_there_are__says_that_there_is_no_path() -> None:
    with pytest.raises(NoPath):  # all shards made here run on one machine
        Choice((0, 4), (4, 8), spread=Spread(platforms=2)).choose()


def test_m11__replicas_that_are_about_as_good__share_the_paths_at_random() -> None:
    choice = Choice((0, 4), (4, 8), (4, 8), (4, 8))
    choice.random.moves = True
    choice.seconds = {ShardId(2): 0.010, ShardId(3): 0.011, ShardId(4): 0.020}
    chosen = [choice.choose()[1] for _ in range(200)]
    assert set(chosen) == {2, 3}, "one that is much slower comes last"
    assert min(chosen.count(2), chosen.count(3)) > 20


def test_m11__requester_excludes_a_shard__another_path_or_none() -> None:
    choice = Choice((0, 4), (4, 8), (4, 6), (6, 8))
    assert choice.choose(permits=lambda shard_id: shard_id != 2) == [1, 3, 4]
    with pytest.raises(NoPath):
        choice.choose(permits=lambda shard_id: shard_id not in (2, 3))


def test_m11__requester_names_the_only_stages__entry_needs_no_mention() -> None:
    choice = Choice((0, 4), (4, 8), (4, 6), (6, 8))
    assert choice.choose(permits=lambda shard_id: shard_id in (3, 4)) == [1, 3, 4]


def test_a8__link_of_a_pair_was_lost__each_is_used_without_the_other() -> None:
    choice = Choice((0, 4), (4, 6), (6, 8), (4, 6), (6, 8))  # 2 and 4, 3 and 5 are replicas
    assert choice.choose() == [1, 2, 3]
    choice.paths.record_failure([], [frozenset({ShardId(2), ShardId(3)})])
    assert choice.choose() == [1, 2, 5], "the honest one is used as before"
    assert choice.choose(frozenset({ShardId(2)})) == [1, 4, 3]
    choice.now = AVOIDANCE_SECONDS
    assert choice.choose() == [1, 2, 3]


def test_a8__only_the_pair_is_left__is_used_again() -> None:
    choice = Choice((0, 4), (4, 6), (6, 8))
    choice.paths.record_failure([], [frozenset({ShardId(2), ShardId(3)})])
    assert choice.choose() == [1, 2, 3]


def test_a8__many_pairs__the_newest_count() -> None:
    choice = Choice((0, 4), (4, 6), (6, 8), (4, 6), (6, 8))
    choice.paths.record_failure([], [frozenset({ShardId(2), ShardId(3)})])
    for number in range(10, 10 + MAX_PAIRS):
        choice.paths.record_failure([], [frozenset({ShardId(2), ShardId(number)})])
    assert choice.choose() == [1, 2, 3]
