"""A model in the native step, made from a shard that torch has loaded."""

from dataclasses import dataclass

import torch

from shard_runtime.model.shard import Shard
from shard_runtime.native import (
    Crew,
    NativeCache,
    NativeEmbedding,
    NativeHead,
    NativeLayers,
    NativeSpan,
    Precision,
    packed,
)


@dataclass(frozen=True, slots=True)
class NativeModel:
    """All that a whole model computes with."""

    layers: NativeLayers
    embedding: NativeEmbedding
    head: NativeHead

    def hidden(
        self, token_ids: tuple[int, ...], cache: NativeCache, first: int = 0
    ) -> torch.Tensor:
        """(T,) → (T, H)."""
        span = NativeSpan(cache, first, len(token_ids))
        return self.layers.forward(self.embedding.rows(token_ids), [span])

    @property
    def bytes_per_step(self) -> int:
        """Weights that a step of few rows reads."""
        return self.layers.weight_bytes + self.head.weight_bytes


def native_model(shard: Shard, precision: Precision, crew: Crew) -> NativeModel:
    """From an entry's shard, whose weights stay as they are."""
    architecture, entry = shard.architecture, shard._entry
    assert entry is not None
    layers = NativeLayers(architecture, precision=precision, crew=crew)
    windows = architecture.windows[shard.layers.first : shard.layers.end]
    for module, window in zip(shard._modules, windows, strict=True):
        layers.add_layer(module._weights, window)
    embedding = packed(entry.embedding, precision=precision)
    tied = entry.head is entry.embedding
    matrix = embedding if tied else packed(entry.head, precision=precision)
    head = NativeHead(entry.norm, matrix, norm_epsilon=architecture.norm_epsilon, crew=crew)
    return NativeModel(layers, NativeEmbedding(embedding), head)
