# SPDX-License-Identifier: Apache-2.0
"""Splits a model's layers into ranges of about equal weight."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import prod

from shard_runtime.architecture import Architecture
from shard_runtime.errors import SplitInvalid
from shard_runtime.model_files.tensors.tensor_layout import (
    TensorLayout,
    embedding_layout,
    head_layout,
    layer_layout,
)
from shard_runtime.model_files.tensors.tensor_names import FileFormat, detect_tensor_names
from teetee.protocol.layers import LayerRange

ENTRY_WORK = 6_000_000
"""The entry's work beside its layers (sampling, text, callers), as the number of weights that take
as long to read: one millisecond in a step of four runs.
"""


def split_layers(
    architecture: Architecture, stages: int, *, entry_work: int = ENTRY_WORK
) -> tuple[LayerRange, ...]:
    """Ranges that hold about equal shares of the weights. The first is the entry's: its share
    includes embedding, head and `entry_work`.

    The largest share exceeds the optimum by less than one layer. Weights stand for memory and, when
    decoding without experts, for time. Raises `SplitInvalid` for more stages than layers.
    """
    layers = architecture.layer_count
    if not 1 <= stages <= layers:
        raise SplitInvalid(f"{layers} layers allow 1 to {layers} stages, not {stages}")
    weights, entry_weights = _count_weights(architecture)
    extra = entry_weights + entry_work
    if stages == 1:
        return (LayerRange(0, layers),)

    def cut(entry_layers: int) -> list[int]:
        bounds = _cut_evenly(weights[entry_layers:], stages - 1)
        return [0, *(entry_layers + bound for bound in bounds)]

    def largest(bounds: Sequence[int]) -> int:
        shares = [sum(weights[first:end]) for first, end in pairwise(bounds)]
        return max(shares[0] + extra, *shares[1:])

    bounds = min(map(cut, range(1, layers - stages + 2)), key=largest)
    return tuple(LayerRange(*pair) for pair in pairwise(bounds))


def _cut_evenly(weights: Sequence[int], parts: int) -> list[int]:
    """Bounds 0 … n of `parts` ranges with at least one layer each."""
    total, sums = sum(weights), list(accumulate(weights, initial=0))
    bounds = [0]
    for part in range(1, parts):
        reached = bisect_right(sums, total * part // parts) - 1
        bounds.append(min(max(reached, bounds[-1] + 1), len(weights) - (parts - part)))
    return [*bounds, len(weights)]


def _count_weights(architecture: Architecture) -> tuple[list[int], int]:
    """The number of weights in each layer, and in the entry's embedding and head."""
    names = detect_tensor_names(FileFormat.SAFETENSORS, architecture.name, ())
    kinds: dict[bool, int] = {}
    for layer in range(architecture.layer_count):
        kind = architecture.has_experts(layer)
        if kind not in kinds:
            kinds[kind] = _weights_of(layer_layout(architecture, layer, names))
    weights = [kinds[architecture.has_experts(layer)] for layer in range(architecture.layer_count)]
    entry = (embedding_layout(architecture, names), head_layout(architecture, names))
    return weights, sum(map(_weights_of, entry))


def _weights_of(layout: TensorLayout) -> int:
    return sum(map(prod, layout.targets.values()))
