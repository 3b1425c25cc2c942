# SPDX-License-Identifier: Apache-2.0
"""What a model demands of the hosts that serve it: memory, bytes to read, operations. Pure.

Left out: activations, which are small beside weights, and the operations of attention.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from math import prod

from shard_runtime.architecture import Architecture
from shard_runtime.backends.native.layout import INT8_GROUP, INT8_GROUP_BYTES
from shard_runtime.model_files.tensors.tensor_layout import (
    TensorLayout,
    embedding_layout,
    head_layout,
    layer_layout,
)
from shard_runtime.model_files.tensors.tensor_names import (
    FileFormat,
    TensorNames,
    detect_tensor_names,
)
from teetee.protocol.layers import LayerRange

PROCESS_BYTES = 256 << 20
"""Memory of Python, torch and the links, without weights: 223 MiB by `check.memory.bare_bytes`."""


class WeightPrecision(StrEnum):
    """The format of weights in memory, and of keys and values with them."""

    INT8 = "int8"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"

    @property
    def weight_bytes(self) -> float:
        """Bytes per weight. int8 adds a float16 scale for each group of weights."""
        return {"int8": INT8_GROUP_BYTES / INT8_GROUP, "float32": 4.0, "bfloat16": 2.0}[self]

    @property
    def cache_bytes(self) -> int:
        """Bytes per number of a key or value."""
        return 4 if self is WeightPrecision.FLOAT32 else 2


@dataclass(frozen=True, slots=True)
class Demand:
    """The demand of one or several layers, or of an entry's embedding and head."""

    memory_bytes: int
    """Weights, and keys and values of all runs."""
    weight_bytes: int
    """Weights read per token."""
    cache_bytes: int
    """Keys and values read per token of one run whose context is half full."""
    operations: int
    """Operations per token of one run."""
    average_layers: float
    """The weights read per token, in units of an average layer."""

    def __add__(self, other: "Demand") -> "Demand":
        return Demand(
            self.memory_bytes + other.memory_bytes,
            self.weight_bytes + other.weight_bytes,
            self.cache_bytes + other.cache_bytes,
            self.operations + other.operations,
            self.average_layers + other.average_layers,
        )

    def __sub__(self, other: "Demand") -> "Demand":
        return Demand(
            self.memory_bytes - other.memory_bytes,
            self.weight_bytes - other.weight_bytes,
            self.cache_bytes - other.cache_bytes,
            self.operations - other.operations,
            self.average_layers - other.average_layers,
        )


NO_DEMAND = Demand(0, 0, 0, 0, 0.0)


class ModelDemand:
    """The demand of any layer range of a model."""

    def __init__(self, layers: tuple[Demand, ...], entry: Demand) -> None:
        """entry: what an entry adds to its layers."""
        self.layer_count = len(layers)
        self.entry = entry
        self._sums = list(accumulate(layers, initial=NO_DEMAND))

    def of_range(self, layers: LayerRange, *, is_entry: bool) -> Demand:
        """The demand of a shard, without its process."""
        demand = self._sums[layers.end] - self._sums[layers.first]
        return demand + self.entry if is_entry else demand

    def process_bytes(self, layers: LayerRange, *, is_entry: bool) -> int:
        """The memory of a shard's process."""
        return PROCESS_BYTES + self.of_range(layers, is_entry=is_entry).memory_bytes


def demand_of(
    architecture: Architecture, precision: WeightPrecision, *, context: int, streams: int
) -> ModelDemand:
    """The demand of a model. context: positions per run. streams: concurrent runs."""
    names = detect_tensor_names(FileFormat.SAFETENSORS, architecture.name, ())
    count = architecture.layer_count
    sizes = [_layer_weights(architecture, layer, names) for layer in range(count)]
    average = sum(read for _, read in sizes) / count
    position_bytes = architecture.kv_elements_per_position * precision.cache_bytes

    def demand(weights: int, read: int, *, is_layer: bool) -> Demand:
        return Demand(
            memory_bytes=_bytes(weights, precision) + is_layer * position_bytes * context * streams,
            weight_bytes=_bytes(read, precision),
            cache_bytes=is_layer * position_bytes * context // 2,
            operations=2 * read,
            average_layers=read / average,
        )

    embedding, head = (
        _count_weights(layout_of(architecture, names))
        for layout_of in (embedding_layout, head_layout)
    )
    # Looking up one row of the embedding costs nothing; a tied embedding is read whole as the head.
    read = head + embedding if architecture.tied_embedding else head
    layers = tuple(demand(*size, is_layer=True) for size in sizes)
    return ModelDemand(layers, demand(embedding + head, read, is_layer=False))


def _layer_weights(architecture: Architecture, layer: int, names: TensorNames) -> tuple[int, int]:
    """The weights of a layer, and how many of them a token reads: only those of chosen experts."""
    layout = layer_layout(architecture, layer, names)
    weights = _count_weights(layout)
    experts = architecture.experts
    if experts is None or layer not in experts.layers:
        return weights, weights
    in_experts = _count_weights(layout, lambda target: target.startswith("expert_"))
    return weights, weights - in_experts + in_experts * experts.chosen // experts.count


def _count_weights(layout: TensorLayout, selects: Callable[[str], bool] = lambda _: True) -> int:
    return sum(prod(shape) for target, shape in layout.targets.items() if selects(target))


def _bytes(weights: int, precision: WeightPrecision) -> int:
    return int(weights * precision.weight_bytes)
