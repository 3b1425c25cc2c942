# SPDX-License-Identifier: Apache-2.0
"""What a model's parts ask of their host: room, bytes to read, operations. Pure.

Not counted: activations, which are small beside weights, and operations of attention.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from math import prod

from shard_runtime.architecture import Architecture
from shard_runtime.model_files.tensors.tensor_names import Format, TensorNames, find_names
from shard_runtime.model_files.tensors.tensor_places import (
    Places,
    embedding_places,
    head_places,
    layer_places,
)
from teetee.protocol.layers import LayerRange

PROCESS_BYTES = 256 << 20
"""Python, torch and the links, before any weights: 223 MiB measured (`check.memory.bare_bytes`)."""


class Precision(StrEnum):
    """How weights are held, and keys and values beside them."""

    INT8 = "int8"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"

    @property
    def weight_bytes(self) -> float:
        """int8 has a float16 scale for each 32 weights."""
        return {"int8": 34 / 32, "float32": 4.0, "bfloat16": 2.0}[self]

    @property
    def cache_bytes(self) -> int:
        """Of one number of a key or value."""
        return 4 if self is Precision.FLOAT32 else 2


@dataclass(frozen=True, slots=True)
class Part:
    """Of a layer, of several, or of what an entry has beyond its layers."""

    memory: int
    """Bytes it takes: weights, and keys and values of all runs."""
    weights: int
    """Bytes of weights read for a token."""
    cache: int
    """Bytes of keys and values read for a token of one run, when half of its context is full."""
    operations: int
    """For a token of one run."""
    share: float
    """Its weights read, counted in average layers."""

    def __add__(self, other: "Part") -> "Part":
        return Part(
            self.memory + other.memory,
            self.weights + other.weights,
            self.cache + other.cache,
            self.operations + other.operations,
            self.share + other.share,
        )

    def __sub__(self, other: "Part") -> "Part":
        return Part(
            self.memory - other.memory,
            self.weights - other.weights,
            self.cache - other.cache,
            self.operations - other.operations,
            self.share - other.share,
        )


NOTHING = Part(0, 0, 0, 0, 0.0)


class Demand:
    """A model's layers and what an entry has beside them; any range of them at once."""

    def __init__(self, layers: tuple[Part, ...], entry: Part) -> None:
        self.layer_count = len(layers)
        self.entry = entry
        self._sums = list(accumulate(layers, initial=NOTHING))

    def of(self, layers: LayerRange, *, is_entry: bool) -> Part:
        """What a shard asks, without the process itself."""
        between = self._sums[layers.end] - self._sums[layers.first]
        return between + self.entry if is_entry else between

    def memory(self, layers: LayerRange, *, is_entry: bool) -> int:
        """Bytes that its process takes."""
        return PROCESS_BYTES + self.of(layers, is_entry=is_entry).memory


def demand_of(
    architecture: Architecture, precision: Precision, *, context: int, streams: int
) -> Demand:
    """context: positions of each run. streams: runs at the same time."""
    names = find_names(Format.SAFETENSORS, architecture.name, ())
    count = architecture.layer_count
    # (numbers, numbers read for a token) of each layer
    sizes = [_layer_numbers(architecture, layer, names) for layer in range(count)]
    average = sum(read for _, read in sizes) / count
    held = architecture.kv_elements_per_position * precision.cache_bytes

    def part(numbers: int, read: int, *, is_layer: bool) -> Part:
        return Part(
            memory=_bytes(numbers, precision) + is_layer * held * context * streams,
            weights=_bytes(read, precision),
            cache=is_layer * held * context // 2,
            operations=2 * read,
            share=read / average,
        )

    embedding, head = (
        _numbers(places(architecture, names)) for places in (embedding_places, head_places)
    )
    # A token's row of the embedding costs nothing; the head is all of a tied embedding.
    read = head + embedding if architecture.tied_embedding else head
    layers = tuple(part(*size, is_layer=True) for size in sizes)
    return Demand(layers, part(embedding + head, read, is_layer=False))


def _layer_numbers(architecture: Architecture, layer: int, names: TensorNames) -> tuple[int, int]:
    """All, and those read for a token: of experts, the chosen ones'."""
    places = layer_places(architecture, layer, names)
    numbers = _numbers(places)
    experts = architecture.experts
    if experts is None or layer not in experts.layers:
        return numbers, numbers
    within = _numbers(places, lambda target: target.startswith("expert_"))
    return numbers, numbers - within + within * experts.chosen // experts.count


def _numbers(places: Places, wanted: Callable[[str], bool] = lambda _: True) -> int:
    return sum(prod(shape) for target, shape in places.targets.items() if wanted(target))


def _bytes(numbers: int, precision: Precision) -> int:
    return int(numbers * precision.weight_bytes)
