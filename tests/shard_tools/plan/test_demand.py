# SPDX-License-Identifier: Apache-2.0
"""The planner's demand equals what loading and runs use.

given a model of any family
    it should count the memory of weights, keys and values to the byte
    it should count the weights read per token without the embedding's other rows and the experts
    that are not chosen
"""

from collections.abc import Callable

import pytest
import torch

from shard_runtime.backends.torch.kv_cache import TorchCachePool
from shard_runtime.model_files.weight_loader import WeightLoader
from shard_tools.plan.demand import PROCESS_BYTES, WeightPrecision, demand_of
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.conftest import Tiny


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "mixtral"])
def test_demand_of__float32__equals_what_loading_and_runs_use(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    source = tiny(name)[0]
    layers = LayerRange(0, 2)
    loader = WeightLoader(source, layers, is_entry=True, manifest=None, dtype="float32")
    tensors = [*loader.load_layer(0).values(), *loader.load_layer(1).values()]
    weights = sum(tensor.nbytes for tensor in tensors)
    entry_weights = sum(tensor.nbytes for tensor in loader.load_entry().values())
    cache = TorchCachePool(source.architecture, 2, torch.float32, 1 << 40).bytes_for(100)
    demand = demand_of(source.architecture, WeightPrecision.FLOAT32, context=100, streams=3)
    assert demand.of_range(layers, is_entry=False).memory_bytes == weights + 3 * cache
    needed = demand.process_bytes(layers, is_entry=True)
    assert needed == PROCESS_BYTES + weights + entry_weights + 3 * cache


def test_demand_of__experts__counts_only_the_chosen_as_read(
    tiny: Callable[[str], Tiny],
) -> None:
    architecture = tiny("mixtral")[0].architecture
    assert architecture.experts is not None
    demand = demand_of(architecture, WeightPrecision.FLOAT32, context=2, streams=1)
    layer = demand.of_range(LayerRange(0, 1), is_entry=False)
    weights = layer.memory_bytes - 2 * architecture.kv_elements_per_position * 4
    inner = 3 * architecture.experts.intermediate_size * architecture.hidden_size * 4
    unread = architecture.experts.count - architecture.experts.chosen
    assert weights - layer.weight_bytes == unread * inner


def test_demand_of__precisions__differ_only_in_bytes(tiny: Callable[[str], Tiny]) -> None:
    architecture = tiny("llama")[0].architecture
    exact, half, small = (
        demand_of(architecture, precision, context=64, streams=2).of_range(
            LayerRange(0, 6), is_entry=False
        )
        for precision in (WeightPrecision.FLOAT32, WeightPrecision.BFLOAT16, WeightPrecision.INT8)
    )
    assert exact.memory_bytes == 2 * half.memory_bytes
    assert small.weight_bytes == pytest.approx(exact.weight_bytes * 34 / 128, rel=1e-3)
    assert exact.operations == half.operations == small.operations == exact.weight_bytes // 2
    assert exact.average_layers == pytest.approx(6)
