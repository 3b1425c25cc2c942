# SPDX-License-Identifier: Apache-2.0
"""What planning counts is what loading takes.

given a model of any kind
    room for its weights, and for keys and values, should be counted to the byte
    weights read for a token should leave out the embedding's other rows and the experts not chosen
"""

from collections.abc import Callable

import pytest
import torch

from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.model_files.part_loader import PartLoader
from shard_tools.plan.demand import PROCESS_BYTES, Precision, demand_of
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.conftest import Tiny


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "mixtral"])
def test_demand_of__float32__is_what_loading_and_runs_take(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    source = tiny(name)[0]
    layers = LayerRange(0, 2)
    loader = PartLoader(source, layers, is_entry=True, manifest=None, dtype="float32")
    tensors = [*loader.layer(0).values(), *loader.layer(1).values()]
    held = sum(tensor.nbytes for tensor in tensors)
    beside = sum(tensor.nbytes for tensor in loader.entry().values())
    cache = CachePool(source.architecture, 2, torch.float32, 1 << 40).bytes_for(100)
    demand = demand_of(source.architecture, Precision.FLOAT32, context=100, streams=3)
    assert demand.of(layers, is_entry=False).memory == held + 3 * cache
    needed = demand.memory(layers, is_entry=True)
    assert needed == PROCESS_BYTES + held + beside + 3 * cache


def test_demand_of__experts__counts_as_read_those_that_are_chosen(
    tiny: Callable[[str], Tiny],
) -> None:
    architecture = tiny("mixtral")[0].architecture
    assert architecture.experts is not None
    demand = demand_of(architecture, Precision.FLOAT32, context=2, streams=1)
    part = demand.of(LayerRange(0, 1), is_entry=False)
    held = part.memory - 2 * architecture.kv_elements_per_position * 4
    inner = 3 * architecture.experts.intermediate_size * architecture.hidden_size * 4
    resting = architecture.experts.count - architecture.experts.chosen
    assert held - part.weights == resting * inner


def test_demand_of__precisions__differ_in_bytes_alone(tiny: Callable[[str], Tiny]) -> None:
    architecture = tiny("llama")[0].architecture
    exact, half, small = (
        demand_of(architecture, precision, context=64, streams=2).of(
            LayerRange(0, 6), is_entry=False
        )
        for precision in (Precision.FLOAT32, Precision.BFLOAT16, Precision.INT8)
    )
    assert exact.memory == 2 * half.memory
    assert small.weights == pytest.approx(exact.weights * 34 / 128, rel=1e-3)
    assert exact.operations == half.operations == small.operations == exact.weights // 2
    assert exact.share == pytest.approx(6)
