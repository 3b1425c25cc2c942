# SPDX-License-Identifier: Apache-2.0
"""A shard computed by the native backend, and how it is loaded."""

from collections.abc import Sequence
from typing import Self

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.backends.native.cache import NativeCache, NativeSpan
from shard_runtime.backends.native.head import NativeEmbedding, NativeHead
from shard_runtime.backends.native.layers import NativeLayers, PreparedSpans
from shard_runtime.backends.native.layout import Precision
from shard_runtime.backends.native.matrix import pack_matrix
from shard_runtime.backends.native.thread_pool import ThreadPool
from shard_runtime.backends.shard import Shard, Span
from shard_runtime.model_files.source import ModelSource
from shard_runtime.model_files.weight_loader import WeightLoader, return_freed_memory
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest


class NativeCachePool(CachePool):
    """The cache pool of a native shard."""

    def __init__(self, layers: NativeLayers, budget_bytes: int) -> None:
        super().__init__(budget_bytes)
        self._layers = layers

    def bytes_for(self, capacity: int) -> int:
        return self._layers.bytes_for(capacity)

    def create_cache(self, capacity: int) -> NativeCache:
        return self._layers.allocate_cache(capacity)


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
        self._no_spans = native.prepare_spans(())
        self._no_rows = torch.empty(0, architecture.hidden_size)

    @property
    def precision(self) -> Precision:
        """The precision of the weights."""
        return self.native_layers.precision

    @property
    def weight_bytes(self) -> int:
        """The weights that a step of few rows reads."""
        return self.native_layers.weight_bytes + (self.head.weight_bytes if self.head else 0)

    def cache_pool(self, budget_bytes: int) -> NativeCachePool:
        return NativeCachePool(self.native_layers, budget_bytes)

    def embed(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        assert self.embedding is not None
        return self.embedding.rows(token_ids)

    def prepare_spans(self, spans: Sequence[Span]) -> Sequence[Span]:
        native = [_native_span(span) for span in spans]
        return _PreparedSpans(spans, self.native_layers.prepare_spans(native))

    def forward(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        if isinstance(spans, _PreparedSpans):
            return self.native_layers.forward(hidden, spans.native)
        return self.native_layers.forward(hidden, [_native_span(span) for span in spans])

    def forward_in_place(self, rows: torch.Tensor, spans: Sequence[Span]) -> None:
        if isinstance(spans, _PreparedSpans):
            self.native_layers.forward_in_place(rows, spans.native)
        else:
            super().forward_in_place(rows, spans)

    def warm_caches(self) -> None:
        """Calls layers and head with no rows."""
        self.native_layers.forward_in_place(self._no_rows, self._no_spans)
        if self.head is not None:
            self.head.logits(self._no_rows)
            self.embed((0,))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        assert self.head is not None
        rows = hidden.reshape(-1, hidden.shape[-1])
        return self.head.logits(rows).reshape(*hidden.shape[:-1], -1)


class _PreparedSpans(tuple[Span, ...]):
    """Spans with their C structures."""

    native: PreparedSpans

    def __new__(cls, spans: Sequence[Span], native: PreparedSpans) -> Self:
        prepared = super().__new__(cls, spans)
        prepared.native = native
        return prepared


def _native_span(span: Span) -> NativeSpan:
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
    """Loads one slice: first embedding and head, then layer by layer.

    In this order the peak holds a second copy of the embedding before any layer is loaded, and of
    one layer afterwards.
    Raises `NativeUnavailable`, `NativeInputInvalid`, and what `load_shard` raises.
    """
    native = NativeLayers(source.architecture, precision=precision, thread_pool=thread_pool)
    loader = WeightLoader(
        source,
        layers,
        is_entry=is_entry,
        manifest=manifest,
        dtype="float32",
        precision=precision.name.lower(),
    )
    embedding, head = (
        _load_entry(loader, source, precision, thread_pool) if is_entry else (None, None)
    )
    return_freed_memory()
    for layer in layers.indices:
        native.pack_and_add(loader.load_layer(layer), source.architecture.windows[layer])
    return_freed_memory()
    return NativeShard(
        architecture=source.architecture,
        layers=layers,
        native=native,
        embedding=embedding,
        head=head,
        slice_digest=loader.slice_digest,
    )


def _load_entry(
    loader: WeightLoader, source: ModelSource, precision: Precision, thread_pool: ThreadPool
) -> tuple[NativeEmbedding, NativeHead]:
    tensors = loader.load_entry()
    matrix = pack_matrix(tensors.pop("embedding"), precision=precision)
    scores = pack_matrix(tensors.pop("head"), precision=precision) if "head" in tensors else matrix
    epsilon = source.architecture.norm_epsilon
    head = NativeHead(tensors["final_norm"], scores, norm_epsilon=epsilon, thread_pool=thread_pool)
    return NativeEmbedding(matrix), head
