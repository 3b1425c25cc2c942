# SPDX-License-Identifier: Apache-2.0
"""A shard that computes in C++, and how it is loaded. To the engine it is a `Shard` like others."""

from collections.abc import Sequence
from typing import Self

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.batch import Span
from shard_runtime.backends.kv_cache import Room
from shard_runtime.backends.native.cache import NativeCache, NativeSpan
from shard_runtime.backends.native.head import NativeEmbedding, NativeHead
from shard_runtime.backends.native.layers import NativeLayers, ReadySpans
from shard_runtime.backends.native.matrix import packed
from shard_runtime.backends.native.thread_pool import ThreadPool
from shard_runtime.backends.native.views import Precision
from shard_runtime.backends.shard import Shard
from shard_runtime.model_files.source import ModelSource
from shard_runtime.model_files.weight_loader import WeightLoader, return_freed_memory
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest


class NativePool(Room):
    """Room for a native shard's keys and values."""

    def __init__(self, layers: NativeLayers, budget: int) -> None:
        super().__init__(budget)
        self._layers = layers

    def bytes_for(self, capacity: int) -> int:
        return self._layers.bytes_for(capacity)

    def make(self, capacity: int) -> NativeCache:
        return self._layers.cache(capacity)


class NativeShard(Shard):
    """Layers, embedding and head in packed matrices."""

    def __init__(
        self,
        *,
        architecture: Architecture,
        layers: LayerRange,
        native: NativeLayers,
        embedding: NativeEmbedding | None,
        head: NativeHead | None,
        slice_digest: bytes,
    ) -> None:
        super().__init__(
            architecture=architecture,
            layers=layers,
            is_entry=head is not None,
            slice_digest=slice_digest,
        )
        self.native_layers = native
        self.embedding = embedding
        self.head = head
        self._no_spans = native.ready(())
        self._no_rows = torch.empty(0, architecture.hidden_size)

    @property
    def precision(self) -> Precision:
        """Of the weights."""
        return self.native_layers.precision

    @property
    def weight_bytes(self) -> int:
        """What a step of few rows reads of weights."""
        return self.native_layers.weight_bytes + (self.head.weight_bytes if self.head else 0)

    def cache_pool(self, budget: int) -> NativePool:
        """Room for this shard's keys and values, at most `budget` bytes."""
        return NativePool(self.native_layers, budget)

    def embed(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        """(R,) → (R, H). Entries only."""
        assert self.embedding is not None
        return self.embedding.rows(token_ids)

    def ready(self, spans: Sequence[Span]) -> Sequence[Span]:
        """The same, with what the kernels read of them."""
        return _Ready(spans, self.native_layers.ready([_native(span) for span in spans]))

    def forward(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        """Rows of one or several runs through all layers: (R, H) → (R, H)."""
        native = spans.native if isinstance(spans, _Ready) else [_native(span) for span in spans]
        return self.native_layers.forward(hidden, native)

    def advance(self, rows: torch.Tensor, spans: Sequence[Span]) -> None:
        """`forward` in place."""
        if isinstance(spans, _Ready):
            self.native_layers.advance(rows, spans.native)
        else:
            super().advance(rows, spans)

    def rehearse(self) -> None:
        """No rows through layers and head."""
        self.native_layers.advance(self._no_rows, self._no_spans)
        if self.head is not None:
            self.head.logits(self._no_rows)
            self.embed((0,))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: (…, H) → (…, V) float32. Entries only."""
        assert self.head is not None
        rows = hidden.reshape(-1, hidden.shape[-1])
        return self.head.logits(rows).reshape(*hidden.shape[:-1], -1)


class _Ready(tuple[Span, ...]):
    """Spans of a step that is known before its rows."""

    native: ReadySpans

    def __new__(cls, spans: Sequence[Span], native: ReadySpans) -> Self:
        made = super().__new__(cls, spans)
        made.native = native
        return made


def _native(span: Span) -> NativeSpan:
    assert isinstance(span.cache, NativeCache)
    return NativeSpan(span.cache, span.first, span.rows)


def load_native_shard(
    source: ModelSource,
    layers: LayerRange,
    *,
    is_entry: bool,
    manifest: ModelManifest | None = None,
    precision: Precision,
    thread_pool: ThreadPool,
) -> NativeShard:
    """Load one slice, embedding first and then layer after layer: the embedding stands twice while
    no layer is there, and then one layer does.

    Raises `NativeUnavailable`, `NativeRefused`, and what `load_shard` raises.
    """
    native = NativeLayers(source.architecture, precision=precision, thread_pool=thread_pool)
    loader = WeightLoader(source, layers, is_entry=is_entry, manifest=manifest, dtype="float32")
    embedding, head = _outside(loader, source, precision, thread_pool) if is_entry else (None, None)
    return_freed_memory()
    for layer in layers.indices:
        native.add_layer(loader.load_layer(layer), source.architecture.windows[layer])
    return_freed_memory()
    return NativeShard(
        architecture=source.architecture,
        layers=layers,
        native=native,
        embedding=embedding,
        head=head,
        slice_digest=loader.slice_digest,
    )


def _outside(
    loader: WeightLoader, source: ModelSource, precision: Precision, thread_pool: ThreadPool
) -> tuple[NativeEmbedding, NativeHead]:
    tensors = loader.load_entry()
    matrix = packed(tensors.pop("embedding"), precision=precision)
    scores = packed(tensors.pop("head"), precision=precision) if "head" in tensors else matrix
    epsilon = source.architecture.norm_epsilon
    head = NativeHead(tensors["final_norm"], scores, norm_epsilon=epsilon, thread_pool=thread_pool)
    return NativeEmbedding(matrix), head
