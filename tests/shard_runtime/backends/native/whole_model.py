# SPDX-License-Identifier: Apache-2.0
"""A whole model in the native backend, without runs or links."""

from dataclasses import dataclass

import torch

from shard_runtime.backends.native import (
    NativeCache,
    NativeEmbedding,
    NativeHead,
    NativeLayers,
    NativeSpan,
    Precision,
    ThreadPool,
)
from shard_runtime.backends.native.native_shard import load_native_shard
from shard_runtime.model_files.source import ModelSource
from teetee.protocol.layers import LayerRange


@dataclass(frozen=True, slots=True)
class NativeModel:
    """A whole model's layers, embedding and head."""

    layers: NativeLayers
    embedding: NativeEmbedding
    head: NativeHead

    def hidden(
        self, token_ids: tuple[int, ...], cache: NativeCache, first: int = 0
    ) -> torch.Tensor:
        """(T,) → (T, H)."""
        span = NativeSpan(cache, first, len(token_ids))
        return self.layers.forward(self.embedding.rows(token_ids), [span])


def native_model(source: ModelSource, precision: Precision, thread_pool: ThreadPool) -> NativeModel:
    """Loads all layers."""
    layers = LayerRange(0, source.architecture.layer_count)
    shard = load_native_shard(
        source, layers, is_entry=True, precision=precision, thread_pool=thread_pool
    )
    assert shard.embedding is not None
    assert shard.head is not None
    return NativeModel(shard.native_layers, shard.embedding, shard.head)
