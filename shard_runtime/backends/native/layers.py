# SPDX-License-Identifier: Apache-2.0
"""A shard's layers, computed by one C call per step.

Knows nothing of runs and links. A row's result depends only on its own run, to the bit: not on the
other rows of the batch, how a prompt is chunked, the number of threads or the instruction set.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.native.cache import CacheShape, NativeCache, NativeSpan
from shard_runtime.backends.native.errors import NativeInputInvalid
from shard_runtime.backends.native.layout import Precision
from shard_runtime.backends.native.matrix import NativeMatrix, pack_matrix
from shard_runtime.backends.native.memory import require_float32
from shard_runtime.backends.native.rotary import RotaryTable
from shard_runtime.backends.native.support import unsupported_reason
from shard_runtime.backends.native.thread_pool import ThreadPool
from shard_runtime.backends.native.views import LayerView, ModelView, SpanView


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NativeLayer:
    """One layer's packed weights."""

    attention_norm: torch.Tensor
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    mlp_norm: torch.Tensor
    query_key_value: NativeMatrix
    output: NativeMatrix
    gate_up: NativeMatrix
    down: NativeMatrix
    window: int


def pack_layer(
    tensors: Mapping[str, torch.Tensor], window: int, precision: Precision
) -> NativeLayer:
    """Packs a layer's float32 tensors, named as in tensor_layout.py; they can be freed then."""

    def matrix(name: str) -> NativeMatrix:
        return pack_matrix(tensors[name], tensors.get(f"{name}.bias"), precision=precision)

    def vector(name: str) -> torch.Tensor | None:
        return tensors[name].clone() if name in tensors else None

    return NativeLayer(
        attention_norm=tensors["attention_norm"].clone(),
        query_norm=vector("query_norm"),
        key_norm=vector("key_norm"),
        mlp_norm=tensors["mlp_norm"].clone(),
        query_key_value=matrix("query_key_value"),
        output=matrix("output"),
        gate_up=matrix("gate_up"),
        down=matrix("down"),
        window=window,
    )


class PreparedSpans:
    """The C structures of some spans. Keeps the caches alive."""

    __slots__ = ("_views", "address", "count", "rows", "spans")

    def __init__(self, spans: tuple[NativeSpan, ...], views: ctypes.Array[SpanView]) -> None:
        self.spans = spans
        self.count = len(spans)
        self.rows = sum(span.rows for span in spans)
        self.address = ctypes.addressof(views)
        self._views = views


class NativeLayers:
    """Layers in the order they were added. One call at a time."""

    def __init__(
        self, architecture: Architecture, *, precision: Precision, thread_pool: ThreadPool
    ) -> None:
        """Raises `NativeInputInvalid` if `unsupported_reason` gives a reason."""
        if (reason := unsupported_reason(architecture)) is not None:
            raise NativeInputInvalid("a model", reason, "a supported one")
        self.precision = precision
        self._architecture = architecture
        self._thread_pool = thread_pool
        self._layers: list[NativeLayer] = []
        self._rotary = RotaryTable(architecture)
        self._views = (LayerView * 0)()
        self._cache_shape = CacheShape.of(architecture, 0, precision)
        self._model = ModelView(
            hidden_size=architecture.hidden_size,
            intermediate_size=architecture.intermediate_size,
            head_count=architecture.head_count,
            kv_head_count=architecture.kv_head_count,
            head_size=architecture.head_size,
            norm_epsilon=architecture.norm_epsilon,
            precision=precision,
        )

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def weight_bytes(self) -> int:
        """The weights that a step of few rows reads."""
        return sum(
            matrix.size_bytes
            for layer in self._layers
            for matrix in (layer.query_key_value, layer.output, layer.gate_up, layer.down)
        )

    def pack_and_add(self, tensors: Mapping[str, torch.Tensor], window: int) -> None:
        """Packs one layer's float32 tensors and adds it. window: its `Architecture.windows`."""
        self.add_layer(pack_layer(tensors, window, self.precision))

    def add_layer(self, layer: NativeLayer) -> None:
        """Appends a layer. Raises `NativeInputInvalid` if a shape is not the architecture's."""
        self._check(layer)
        self._layers.append(layer)
        self._views = (LayerView * len(self._layers))(*map(_view, self._layers))
        self._model.layers = ctypes.addressof(self._views)
        self._model.layer_count = len(self._layers)
        self._cache_shape = CacheShape.of(self._architecture, len(self._layers), self.precision)

    def allocate_cache(self, capacity: int) -> NativeCache:
        """A cache for one run of at most `capacity` positions, for the layers added so far."""
        return NativeCache(self._cache_shape, capacity)

    def bytes_for(self, capacity: int) -> int:
        """The size of `allocate_cache(capacity)`."""
        return self._cache_shape.bytes_for(capacity)

    def prepare_spans(self, spans: Sequence[NativeSpan]) -> PreparedSpans:
        """The spans in the form that `forward` processes fastest. Raises `NativeInputInvalid`."""
        if len({id(span.cache) for span in spans}) < len(spans):
            raise NativeInputInvalid("spans", "two spans share a cache", "one span per run")
        views = (SpanView * len(spans))(*map(self._span, spans))
        end = max((span.first + span.rows for span in spans), default=0)
        # The table only grows, so prepared spans stay valid.
        model = self._model
        model.cosines, model.sines, model.positions = self._rotary.addresses(end)
        return PreparedSpans(tuple(spans), views)

    def forward(
        self, hidden: torch.Tensor, spans: Sequence[NativeSpan] | PreparedSpans
    ) -> torch.Tensor:
        """(R, H) → (R, H) float32; the rows are those of the spans, in order.

        Each cache holds every position before its span. Raises `NativeInputInvalid`.
        """
        prepared = spans if isinstance(spans, PreparedSpans) else self.prepare_spans(spans)
        expected = (prepared.rows, self._architecture.hidden_size)
        hidden = require_float32("hidden states", hidden, expected).clone()
        self.forward_in_place(hidden, prepared)
        return hidden

    def forward_in_place(self, hidden: torch.Tensor, prepared: PreparedSpans) -> None:
        """`forward` without checks: `hidden` must be contiguous and have as many rows as the
        spans.
        """
        if self._thread_pool.calls.teetee_layers(
            self._thread_pool.handle,
            ctypes.addressof(self._model),
            prepared.address,
            prepared.count,
            hidden.data_ptr(),
            prepared.rows,
        ):
            raise MemoryError("The native layers could not allocate scratch memory.")

    def _span(self, span: NativeSpan) -> SpanView:
        cache = span.cache
        if span.rows < 1 or span.first < 0 or span.first + span.rows > cache.capacity:
            positions = f"positions [{span.first}, {span.first + span.rows})"
            raise NativeInputInvalid("a span", positions, f"a range within {cache.capacity}")
        if cache.shape != self._cache_shape:
            raise NativeInputInvalid("a cache", cache.shape, self._cache_shape)
        return SpanView(cache.address, cache.rounded_capacity, span.first, span.rows)

    def _check(self, layer: NativeLayer) -> None:
        shape = self._architecture
        H, inner, D = shape.hidden_size, shape.intermediate_size, shape.head_size
        fused = (shape.head_count + 2 * shape.kv_head_count) * D
        for what, matrix, expected in (
            ("query_key_value", layer.query_key_value, (fused, H)),
            ("output", layer.output, (H, shape.head_count * D)),
            ("gate_up", layer.gate_up, (2 * inner, H)),
            ("down", layer.down, (H, inner)),
        ):
            found = (matrix.rows, matrix.columns)
            if found != expected or matrix.precision is not self.precision:
                raise NativeInputInvalid(
                    what, (*found, matrix.precision), (*expected, self.precision)
                )
        for what, vector, size in (
            ("attention_norm", layer.attention_norm, H),
            ("mlp_norm", layer.mlp_norm, H),
            ("query_norm", layer.query_norm, D),
            ("key_norm", layer.key_norm, D),
        ):
            if (
                vector is not None
                and require_float32(what, vector, (size,)).data_ptr() != vector.data_ptr()
            ):
                raise NativeInputInvalid(what, "it is not contiguous", "a contiguous vector")
        if layer.window < 0:
            raise NativeInputInvalid("a window", layer.window, "at least 0 positions")


def _view(layer: NativeLayer) -> LayerView:
    def address(tensor: torch.Tensor | None) -> int | None:
        return None if tensor is None else tensor.data_ptr()

    return LayerView(
        attention_norm=address(layer.attention_norm),
        query_norm=address(layer.query_norm),
        key_norm=address(layer.key_norm),
        mlp_norm=address(layer.mlp_norm),
        query_key_value=layer.query_key_value.view,
        output=layer.output.view,
        gate_up=layer.gate_up.view,
        down=layer.down.view,
        window=layer.window,
    )
