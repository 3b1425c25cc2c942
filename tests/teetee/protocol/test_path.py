# SPDX-License-Identifier: Apache-2.0
"""Choosing a path.

given active shards
    when several paths tile the layers
        it should choose the one with the fewest stages, then with the lowest ids
        when stages have costs, the one with the lowest sum
    when there is no entry, or only excluded ones
        it should say so
    when no shard begins at some layer
        it should name that layer
    when the model asks for several hosts or platforms
        it should choose the best path over as many, or say that there is none
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teetee.errors import NoEntryShard, PathIncomplete, SpreadUnmet
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.path import Spread, choose_path

MODEL = ModelId(1)


@dataclass(frozen=True)
class Candidate:
    shard_id: ShardId
    layers: LayerRange
    is_entry: bool
    host: str = "one"
    platform_id: bytes = bytes(32)


def entry(number: int, end: int, **where: Any) -> Candidate:
    return Candidate(ShardId(number), LayerRange(0, end), True, **where)


def middle(number: int, first: int, end: int, **where: Any) -> Candidate:
    return Candidate(ShardId(number), LayerRange(first, end), False, **where)


def ids(path: tuple[Candidate, ...]) -> list[int]:
    return [shard.shard_id for shard in path]


def test_choose_path__several__takes_the_fewest_stages() -> None:
    shards = [entry(1, 2), middle(2, 2, 4), middle(3, 4, 6), middle(9, 2, 6)]
    assert ids(choose_path(shards, 6, MODEL)) == [1, 9]


def test_choose_path__equally_short__takes_the_lowest_ids_in_any_order() -> None:
    shards = [entry(5, 3), entry(4, 2), middle(7, 2, 6), middle(6, 3, 6), middle(8, 2, 6)]
    found = {tuple(ids(choose_path(order, 6, MODEL))) for order in permutations(shards)}
    assert found == {(4, 7)}


def test_choose_path__whole_model_in_one_entry__is_one_stage() -> None:
    assert ids(choose_path([entry(1, 6), middle(2, 3, 6)], 6, MODEL)) == [1]


def test_choose_path__with_a_given_entry_and_exclusions__obeys() -> None:
    shards = [entry(1, 3), entry(2, 3), middle(3, 3, 6), middle(4, 3, 6)]
    chosen = choose_path(shards, 6, MODEL, entry=ShardId(2), excluded=frozenset({ShardId(3)}))
    assert ids(chosen) == [2, 4]


@pytest.mark.parametrize(
    "shards",
    [[], [middle(1, 0, 6)], [entry(2, 6)]],
    ids=["no shards", "no entry", "another entry"],
)
def test_choose_path__no_entry__is_refused(shards: list[Candidate]) -> None:
    with pytest.raises(NoEntryShard) as refused:
        choose_path(shards, 6, MODEL, entry=ShardId(1))
    assert refused.value.model_id == MODEL


@pytest.mark.parametrize(
    ("shards", "gap"),
    [
        pytest.param([entry(1, 2), middle(2, 3, 6)], 2, id="gap"),
        pytest.param([entry(1, 3), middle(2, 2, 6)], 3, id="overlap"),
        pytest.param([entry(1, 2), middle(2, 2, 4)], 4, id="no end"),
        pytest.param([entry(1, 2), middle(2, 2, 4), middle(3, 4, 8)], 8, id="beyond the end"),
    ],
)
def test_choose_path__incomplete__names_where_it_breaks_off(
    shards: list[Candidate], gap: int
) -> None:
    with pytest.raises(PathIncomplete) as refused:
        choose_path(shards, 6, MODEL)
    assert (refused.value.first, refused.value.end) == (gap, 6)


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    found = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        first = draw(st.integers(0, 5))
        end = draw(st.integers(first + 1, 6))
        is_entry = first == 0 and draw(st.booleans())
        host, platform = draw(st.sampled_from("ABC")), draw(st.sampled_from([b"x", b"y"]))
        layers = LayerRange(first, end)
        found.append(Candidate(ShardId(number), layers, is_entry, host, platform * 32))
    return found


def all_paths(shards: list[Candidate], reached: int = 0) -> list[tuple[Candidate, ...]]:
    """By exhaustive search."""
    if reached == 6:
        return [()]
    return [
        (shard, *rest)
        for shard in shards
        if shard.layers.first == reached and shard.is_entry == (reached == 0)
        for rest in all_paths(shards, shard.layers.end)
    ]


def is_spread(path: tuple[Candidate, ...], spread: Spread) -> bool:
    hosts = len({shard.host for shard in path})
    return hosts >= spread.hosts and len({shard.platform_id for shard in path}) >= spread.platforms


spreads = st.builds(Spread, st.integers(1, 4), st.integers(1, 3))


prices = st.lists(st.integers(1, 4), min_size=12, max_size=12)


@settings(max_examples=500)
@given(shards=candidates(), spread=spreads, prices=st.one_of(st.just([1] * 12), prices))
def test_choose_path__any_shards__is_the_best_of_all_paths(
    shards: list[Candidate], spread: Spread, prices: list[int]
) -> None:
    def cost(shard: Candidate) -> int:
        return prices[shard.shard_id - 1]

    paths = all_paths(shards)
    wide = [path for path in paths if is_spread(path, spread)]
    if wide:
        best = min(wide, key=lambda path: (sum(map(cost, path)), ids(path)))
        assert choose_path(shards, 6, MODEL, spread=spread, cost=cost) == best
    else:
        expected = SpreadUnmet if paths else (NoEntryShard, PathIncomplete)
        with pytest.raises(expected):
            choose_path(shards, 6, MODEL, spread=spread, cost=cost)


def test_choose_path__stages_of_different_cost__takes_the_cheapest_sum() -> None:
    shards = [entry(1, 2), middle(2, 2, 4), middle(3, 4, 6), middle(9, 2, 6)]
    prices = {1: 1, 2: 2, 3: 2, 9: 5}
    chosen = choose_path(shards, 6, MODEL, cost=lambda shard: prices[shard.shard_id])
    assert ids(chosen) == [1, 2, 3]


def test_choose_path__platforms_alike_in_what_contracts_keep__count_as_one() -> None:
    first, second = bytes(32), bytes(8) + b"x" * 24
    shards = [entry(1, 3, platform_id=first), middle(2, 3, 6, platform_id=second)]
    with pytest.raises(SpreadUnmet) as refused:
        choose_path(shards, 6, MODEL, spread=Spread(platforms=2))
    assert (refused.value.hosts, refused.value.platforms) == (1, 2)


def test_choose_path__very_many_shards__is_soon_chosen_or_refused() -> None:
    shards = [entry(1, 1, host="one")]
    number = 1
    for layer in range(1, 40):
        for host in "ABCDE":
            number += 1
            shards.append(middle(number, layer, layer + 1, host=host))
    chosen = choose_path(shards, 40, MODEL, spread=Spread(hosts=6))
    assert len({shard.host for shard in chosen}) == 6
    with pytest.raises(SpreadUnmet):
        choose_path(shards, 40, MODEL, spread=Spread(hosts=7))
