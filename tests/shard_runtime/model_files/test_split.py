# SPDX-License-Identifier: Apache-2.0
"""Splitting a model into ranges of layers.

given any number of layers and stages
    the ranges should cover all layers, and none should be empty
    the entry should have fewer layers the larger its embedding and its other work are
given a model in which only some layers have experts
    those layers should count for more
given more stages than layers
    it should raise SplitInvalid
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shard_runtime import split_layers
from shard_runtime.errors import SplitInvalid
from tests.shard_runtime.conftest import Tiny


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), layers=st.integers(1, 80), vocabulary=st.integers(1, 10**6))
def test_split_layers__any_model__tiles_all_layers(
    tiny: Callable[[str], Tiny], data: st.DataObject, layers: int, vocabulary: int
) -> None:
    architecture = replace(
        tiny("llama")[0].architecture, layer_count=layers, vocabulary_size=vocabulary
    )
    stages = data.draw(st.integers(1, layers))
    ranges = split_layers(architecture, stages)
    assert len(ranges) == stages
    assert [layer for each in ranges for layer in each.indices] == list(range(layers))
    others = [len(each) for each in ranges[1:]]
    assert not others or max(others) - min(others) <= 1


def test_split_layers__heavy_embedding__leaves_the_entry_few_layers(
    tiny: Callable[[str], Tiny],
) -> None:
    architecture = replace(tiny("llama")[0].architecture, layer_count=30)
    light = split_layers(replace(architecture, vocabulary_size=10), 2, entry_work=0)
    heavy = split_layers(replace(architecture, vocabulary_size=5000), 2, entry_work=0)
    assert [len(each) for each in light] == [15, 15]
    assert len(heavy[0]) < 5


def test_split_layers__entry_has_other_work__leaves_it_fewer_layers(
    tiny: Callable[[str], Tiny],
) -> None:
    architecture = replace(tiny("llama")[0].architecture, layer_count=30, vocabulary_size=10)
    assert len(split_layers(architecture, 2, entry_work=100_000)[0]) < 15
    assert len(split_layers(architecture, 2)[0]) == 1


def test_split_layers__layers_with_experts__count_for_more(tiny: Callable[[str], Tiny]) -> None:
    architecture = tiny("qwen3 moe")[0].architecture
    assert architecture.experts is not None
    heavy_end = replace(architecture.experts, count=64, layers=(4, 5))
    ranges = split_layers(replace(architecture, experts=heavy_end), 2, entry_work=0)
    assert [len(each) for each in ranges] == [5, 1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers=st.sets(st.integers(0, 5)), stages=st.integers(1, 6), count=st.integers(4, 200))
def test_split_layers__experts_anywhere__tiles_all_layers(
    tiny: Callable[[str], Tiny], layers: set[int], stages: int, count: int
) -> None:
    architecture = tiny("qwen3 moe")[0].architecture
    assert architecture.experts is not None
    experts = replace(architecture.experts, count=count, layers=tuple(sorted(layers)))
    ranges = split_layers(replace(architecture, experts=experts), stages)
    assert [layer for each in ranges for layer in each.indices] == list(range(6))


@pytest.mark.parametrize("stages", [0, 7])
def test_split_layers__more_stages_than_layers__raises(
    tiny: Callable[[str], Tiny], stages: int
) -> None:
    with pytest.raises(SplitInvalid, match=f"6 layers allow 1 to 6 stages, not {stages}"):
        split_layers(tiny("llama")[0].architecture, stages)
