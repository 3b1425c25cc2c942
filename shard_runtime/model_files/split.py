# SPDX-License-Identifier: Apache-2.0
"""Where to cut a model."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import prod

from shard_runtime.architecture import Architecture
from shard_runtime.errors import SplitInvalid
from shard_runtime.model_files.tensors.tensor_names import Format, find_names
from shard_runtime.model_files.tensors.tensor_places import (
    Places,
    embedding_places,
    head_places,
    layer_places,
)
from teetee.protocol.layers import LayerRange

ENTRY_WORK = 6_000_000
"""What an entry does beside computing (choosing tokens, text, callers) takes as long as to read so
many weights: a millisecond of a step of four runs.
"""


def split_layers(
    architecture: Architecture, stages: int, *, entry_work: int = ENTRY_WORK
) -> tuple[LayerRange, ...]:
    """Ranges of about equal shares of the weights; the first is the entry's, with what it adds,
    `entry_work` included.

    The largest share exceeds the smallest possible one by less than a layer. Bytes stand for
    memory and, in decoding without experts, for time. Raises `SplitInvalid` for more stages than
    layers.
    """
    layers = architecture.layer_count
    if not 1 <= stages <= layers:
        raise SplitInvalid(f"{layers} layers make 1 to {layers} stages, not {stages}")
    weights, outside = _weights(architecture)
    extra = outside + entry_work
    if stages == 1:
        return (LayerRange(0, layers),)

    def cut(entry_layers: int) -> list[int]:
        rest = _cut_evenly(weights[entry_layers:], stages - 1)
        return [0, *(entry_layers + bound for bound in rest)]

    def largest(bounds: Sequence[int]) -> int:
        shares = [sum(weights[first:end]) for first, end in pairwise(bounds)]
        return max(shares[0] + extra, *shares[1:])

    bounds = min(map(cut, range(1, layers - stages + 2)), key=largest)
    return tuple(LayerRange(*pair) for pair in pairwise(bounds))


def _cut_evenly(weights: Sequence[int], parts: int) -> list[int]:
    """Bounds 0 … n of parts that have at least one layer each."""
    total, sums = sum(weights), list(accumulate(weights, initial=0))
    bounds = [0]
    for part in range(1, parts):
        reached = bisect_right(sums, total * part // parts) - 1
        bounds.append(min(max(reached, bounds[-1] + 1), len(weights) - (parts - part)))
    return [*bounds, len(weights)]


def _weights(architecture: Architecture) -> tuple[list[int], int]:
    """How many numbers each layer has, and what else the entry has."""
    names = find_names(Format.SAFETENSORS, architecture.name, ())
    kinds: dict[bool, int] = {}
    for layer in range(architecture.layer_count):
        kind = architecture.has_experts(layer)
        if kind not in kinds:
            kinds[kind] = _numbers(layer_places(architecture, layer, names))
    weights = [kinds[architecture.has_experts(layer)] for layer in range(architecture.layer_count)]
    outside = (embedding_places(architecture, names), head_places(architecture, names))
    return weights, sum(map(_numbers, outside))


def _numbers(places: Places) -> int:
    return sum(map(prod, places.targets.values()))
