# SPDX-License-Identifier: Apache-2.0
"""Which entries a prompt is sealed to, and which shards could see part of it.

given active shards
    when some tile the model from an entry
        it should give those that stand on such a path, and no other
    when none do
        it should name the layer where no shard continues
given entries on paths
    when the model asks for more hosts than all paths of one have
        it should leave that one out, and say so when none is left
    when recipients are chosen
        it should prefer those that last, and different hosts
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.chain.types.shards import Shard, ShardStatus
from teetee.client.errors import TooFewEntries
from teetee.client.requests.recipients import choose_recipients, spread_recipients
from teetee.client.serving_paths import shards_on_paths, uncovered_layers
from teetee.errors import NoEntryShard, PathIncomplete, SpreadUnmet
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.keyset import Keyset
from teetee.protocol.layers import LayerRange
from teetee.protocol.path import Spread, choose_path
from teetee.quotes.tcb_status import TcbStatus
from tests.teetee.client.evidence_factory import address, word


def make_shard(number: int, first: int, end: int, *, is_entry: bool = False) -> Shard:
    return Shard(
        shard_id=ShardId(number),
        model_id=ModelId(1),
        layers=LayerRange(first, end),
        is_entry=is_entry,
        host=address(100 + number),
        keyset=Keyset(address(number), word(f"kem {number}"), word(f"tls {number}")),
        endpoint="127.0.0.1:7443",
        slice_digest=bytes(32),
        identity_digest=bytes(32),
        quote_hash=bytes(32),
        measurement=bytes(32),
        pck_id=bytes(32),
        platform_id=bytes(32),
        tcb_status=TcbStatus.UP_TO_DATE,
        evaluation_number=17,
        collateral_until=0,
        attested_until=1000,
        status=ShardStatus.ACTIVE,
        is_active=True,
        bond=0,
        quoted_block_number=0,
        quoted_block_hash=bytes(32),
    )


def ids(shards: tuple[Shard, ...]) -> list[int]:
    return [int(shard.shard_id) for shard in shards]


def test_shards_on_paths__dead_ends__are_left_out() -> None:
    shards = [
        make_shard(1, 0, 2, is_entry=True),
        make_shard(2, 2, 6),
        make_shard(3, 2, 4),  # no shard starts at 4
        make_shard(4, 3, 6),  # no shard ends at 3
        make_shard(5, 0, 6, is_entry=True),
        make_shard(6, 0, 3),  # begins at 0, but cannot read a prompt
    ]
    assert ids(shards_on_paths(shards, 6)) == [1, 5, 2]


def test_shards_on_paths__entry_without_a_path__is_left_out() -> None:
    shards = [make_shard(1, 0, 3, is_entry=True), make_shard(2, 0, 6, is_entry=True)]
    assert ids(shards_on_paths(shards, 6)) == [2]


def test_shards_on_paths__no_entry__says_so() -> None:
    with pytest.raises(NoEntryShard):
        shards_on_paths([make_shard(1, 0, 6)], 6)


def test_shards_on_paths__gap__names_the_layer() -> None:
    shards = [
        make_shard(1, 0, 2, is_entry=True),
        make_shard(2, 2, 4),
        make_shard(3, 5, 6),
    ]
    with pytest.raises(PathIncomplete) as incomplete:
        shards_on_paths(shards, 6)
    assert (incomplete.value.first, incomplete.value.end) == (4, 6)


ranges = st.tuples(st.integers(0, 7), st.integers(1, 8)).filter(lambda pair: pair[0] < pair[1])


@given(st.lists(st.tuples(ranges, st.booleans()), min_size=1, max_size=12))
def test_shards_on_paths__any__agrees_with_the_entrys_own_choice(
    drawn: list[tuple[tuple[int, int], bool]],
) -> None:
    """What `choose_path` chooses from all shards, it can choose from these alone, and only then."""
    shards = [
        make_shard(number, *bounds, is_entry=entry and bounds[0] == 0)
        for number, (bounds, entry) in enumerate(drawn, start=1)
    ]
    try:
        chosen = choose_path(shards, 8, ModelId(1))
    except (NoEntryShard, PathIncomplete) as error:
        with pytest.raises(type(error)):
            shards_on_paths(shards, 8)
    else:
        on_paths = shards_on_paths(shards, 8)
        assert set(chosen) <= set(on_paths)
        assert choose_path(on_paths, 8, ModelId(1)) == chosen


def test_spread_recipients__one_has_only_paths_of_too_few_hosts__is_left_out() -> None:
    alone = make_shard(1, 0, 6, is_entry=True)
    on_paths = (alone, make_shard(2, 0, 3, is_entry=True), make_shard(3, 3, 6))
    assert ids(spread_recipients(on_paths, 6, Spread(hosts=1))) == [1, 2, 3]
    assert ids(spread_recipients(on_paths, 6, Spread(hosts=2))) == [2, 3]
    with pytest.raises(SpreadUnmet) as refused:
        spread_recipients(on_paths, 6, Spread(hosts=2, platforms=2))
    assert (refused.value.hosts, refused.value.platforms) == (2, 2)


def test_choose_recipients__some_expire_soon__prefers_those_that_last() -> None:
    lasting = replace(make_shard(2, 0, 6, is_entry=True), attested_until=5000)
    shards = [make_shard(1, 0, 6, is_entry=True), lasting]
    for seed in range(10):
        chosen = choose_recipients(shards, 2, deadline=2000, random_source=random.Random(seed))
        assert chosen[0] == lasting


def test_choose_recipients__one_host_has_several__prefers_different_hosts() -> None:
    same = address(7)
    shards = [
        replace(make_shard(1, 0, 6, is_entry=True), host=same),
        replace(make_shard(2, 0, 6, is_entry=True), host=same),
        make_shard(3, 0, 6, is_entry=True),
    ]
    for seed in range(10):
        chosen = choose_recipients(shards, 2, deadline=0, random_source=random.Random(seed))
        assert {shard.host for shard in chosen} == {same, shards[2].host}


def test_choose_recipients__too_few__says_how_many_there_are() -> None:
    shards = [make_shard(1, 0, 6, is_entry=True), make_shard(2, 2, 6)]
    with pytest.raises(TooFewEntries, match=r"2 recipients need .* entry shards.* has 1\."):
        choose_recipients(shards, 2, deadline=0, random_source=random.Random(0))


@pytest.mark.parametrize(
    ("bounds", "gaps"),
    [
        ([], [(0, 6)]),
        ([(0, 6)], []),
        ([(0, 2), (1, 4)], [(4, 6)]),
        ([(3, 4), (1, 2)], [(0, 1), (2, 3), (4, 6)]),
    ],
)
def test_uncovered_layers__ranges__gives_the_gaps(
    bounds: list[tuple[int, int]], gaps: list[tuple[int, int]]
) -> None:
    found = uncovered_layers(6, [LayerRange(*each) for each in bounds])
    assert found == tuple(LayerRange(*gap) for gap in gaps)
