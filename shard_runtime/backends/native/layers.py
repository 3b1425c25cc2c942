# SPDX-License-Identifier: Apache-2.0
"""A shard's layers, computed by one C call per step.

Knows nothing of runs or links: rows come in, rows go out. A row's result depends on its own run's
positions alone, to the bit: not on which rows are computed beside it, in which pieces a prompt
comes, on the number of threads or on the instruction set.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.native.cache import CacheShape, NativeCache, NativeSpan
from shard_runtime.backends.native.errors import NativeRefused
from shard_runtime.backends.native.matrix import NativeMatrix, packed
from shard_runtime.backends.native.memory import checked
from shard_runtime.backends.native.rotary import RotaryRows
from shard_runtime.backends.native.support import unsupported
from shard_runtime.backends.native.thread_pool import ThreadPool
from shard_runtime.backends.native.views import LayerView, ModelView, Precision, SpanView


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NativeLayer:
    """One layer, ready. A loader that reads in pieces fills the matrices by `put`."""

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
    """From a layer's float32 tensors by the names of model/tensor_places.py, which may be let go
    afterwards.
    """

    def matrix(name: str) -> NativeMatrix:
        return packed(tensors[name], tensors.get(f"{name}.bias"), precision=precision)

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


class ReadySpans:
    """Made by `NativeLayers.ready`. Holds the caches."""

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
        """Raises `NativeRefused` where `unsupported` gives a reason."""
        if (reason := unsupported(architecture)) is not None:
            raise NativeRefused("a model", reason, "a supported one")
        self.precision = precision
        self._shape = architecture
        self._thread_pool = thread_pool
        self._layers: list[NativeLayer] = []
        self._rotary = RotaryRows(architecture)
        self._views = (LayerView * 0)()
        self._fits = CacheShape.of(architecture, 0, precision)
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
        """What a step of few rows reads of weights."""
        return sum(
            matrix.bytes
            for layer in self._layers
            for matrix in (layer.query_key_value, layer.output, layer.gate_up, layer.down)
        )

    def add_layer(self, tensors: Mapping[str, torch.Tensor], window: int) -> None:
        """Pack one layer's float32 tensors and add it. window: `Architecture.windows` of it."""
        self.add(pack_layer(tensors, window, self.precision))

    def add(self, layer: NativeLayer) -> None:
        """Raises `NativeRefused` when a shape is not the architecture's."""
        self._check(layer)
        self._layers.append(layer)
        self._views = (LayerView * len(self._layers))(*map(_view, self._layers))
        self._model.layers = ctypes.addressof(self._views)
        self._model.layer_count = len(self._layers)
        self._fits = CacheShape.of(self._shape, len(self._layers), self.precision)

    def cache(self, capacity: int) -> NativeCache:
        """Room for one run of at most `capacity` positions, through the layers added so far."""
        return NativeCache(self._fits, capacity)

    def bytes_for(self, capacity: int) -> int:
        """What `cache(capacity)` takes."""
        return self._fits.bytes_for(capacity)

    def ready(self, spans: Sequence[NativeSpan]) -> ReadySpans:
        """Spans as `forward` takes them fastest. Raises `NativeRefused`."""
        if len({id(span.cache) for span in spans}) < len(spans):
            raise NativeRefused("spans", "two of one cache", "one span for each run")
        views = (SpanView * len(spans))(*map(self._span, spans))
        end = max((span.first + span.rows for span in spans), default=0)
        # The table only grows, so what is ready stays so.
        model = self._model
        model.cosines, model.sines, model.positions = self._rotary.addresses(end)
        return ReadySpans(tuple(spans), views)

    def forward(
        self, hidden: torch.Tensor, spans: Sequence[NativeSpan] | ReadySpans
    ) -> torch.Tensor:
        """(R, H) → (R, H) float32; the spans' rows lie one after the other.

        Each cache holds everything before its span. Raises `NativeRefused`.
        """
        ready = spans if isinstance(spans, ReadySpans) else self.ready(spans)
        wanted = (ready.rows, self._shape.hidden_size)
        hidden = checked("hidden states", hidden, wanted).clone()
        self.advance(hidden, ready)
        return hidden

    def advance(self, hidden: torch.Tensor, ready: ReadySpans) -> None:
        """`forward` in place, of rows that are known to be whole in memory and as many as is ready
        for.
        """
        if self._thread_pool.calls.teetee_layers(
            self._thread_pool.handle,
            ctypes.addressof(self._model),
            ready.address,
            ready.count,
            hidden.data_ptr(),
            ready.rows,
        ):
            raise MemoryError("The native step got no scratch memory.")

    def _span(self, span: NativeSpan) -> SpanView:
        cache = span.cache
        if span.rows < 1 or span.first < 0 or span.first + span.rows > cache.capacity:
            place = f"[{span.first}, {span.first + span.rows})"
            raise NativeRefused("a span", place, f"some of its cache's {cache.capacity} positions")
        if cache.fits != self._fits:
            raise NativeRefused("a cache", cache.fits, self._fits)
        return SpanView(cache.address, cache.rounded, span.first, span.rows)

    def _check(self, layer: NativeLayer) -> None:
        shape = self._shape
        H, inner, D = shape.hidden_size, shape.intermediate_size, shape.head_size
        fused = (shape.head_count + 2 * shape.kv_head_count) * D
        for what, matrix, wanted in (
            ("query_key_value", layer.query_key_value, (fused, H)),
            ("output", layer.output, (H, shape.head_count * D)),
            ("gate_up", layer.gate_up, (2 * inner, H)),
            ("down", layer.down, (H, inner)),
        ):
            found = (matrix.rows, matrix.columns)
            if found != wanted or matrix.precision is not self.precision:
                raise NativeRefused(what, (*found, matrix.precision), (*wanted, self.precision))
        for what, vector, size in (
            ("attention_norm", layer.attention_norm, H),
            ("mlp_norm", layer.mlp_norm, H),
            ("query_norm", layer.query_norm, D),
            ("key_norm", layer.key_norm, D),
        ):
            if (
                vector is not None
                and checked(what, vector, (size,)).data_ptr() != vector.data_ptr()
            ):
                raise NativeRefused(what, "it is not contiguous", "a vector in one piece")
        if layer.window < 0:
            raise NativeRefused("a window", layer.window, "0 or more positions")


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
