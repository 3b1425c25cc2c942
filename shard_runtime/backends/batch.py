# SPDX-License-Identifier: Apache-2.0
"""The rows at hand: of which runs, at which positions, and what each may look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.kv_cache import RunCache
from shard_runtime.backends.torch.positions import Rotation, Turns


class Cache(RunCache, Protocol):
    """What torch's layers need of a run's cache."""

    def extend(
        self, layer: int, first: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store (T, groups, D) from `first` on; give all up to them, (groups, first + T, D)."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of one run, which lie one after the other: positions `[first, first + rows)`.

    The cache holds everything before `first` and has room for the rows.
    """

    cache: RunCache
    first: int
    rows: int

    @property
    def end(self) -> int:
        return self.first + self.rows


@dataclass(frozen=True, slots=True)
class SpanView:
    """A span, its rows within the batch, and its masks by window."""

    span: Span
    rows: slice
    masks: dict[int, torch.Tensor | None]
    """(heads/groups × T, positions looked at), or None where everything may be seen."""


class Batch:
    """What all layers of a shard need to know about the rows of one call."""

    def __init__(
        self,
        architecture: Architecture,
        rotation: Rotation | None,
        spans: Sequence[Span],
        windows: frozenset[int],
    ) -> None:
        copies = architecture.head_count // architecture.kv_head_count
        self.views = tuple(_views(spans, windows, copies))
        placed = [(span.first, span.end, span.cache.capacity) for span in spans]
        self._turns: dict[bool, Turns] = {}
        if rotation is not None:
            for local in {rotation.is_local(window) for window in windows}:
                self._turns[local] = rotation.turns(placed, local=local)
        self._rotation = rotation

    def turns(self, window: int) -> Turns | None:
        """Cosines and sines of all rows for layers with that window; None without rotation."""
        return self._turns[self._rotation.is_local(window)] if self._rotation else None


def _views(spans: Sequence[Span], windows: frozenset[int], copies: int) -> list[SpanView]:
    views, begin = [], 0
    for span in spans:
        masks = {
            window: attention_mask(span.first, span.rows, window, copies) for window in windows
        }
        views.append(SpanView(span, slice(begin, begin + span.rows), masks))
        begin += span.rows
    return views


def first_seen(first: int, window: int) -> int:
    """The earliest position that a row at `first` may look at."""
    return max(0, first - window + 1) if window else 0


def attention_mask(first: int, T: int, window: int, copies: int) -> torch.Tensor | None:
    """(copies × T, positions from `first_seen` on) of booleans; None when all may be seen."""
    if T == 1:
        return None
    rows = torch.arange(first, first + T)[:, None]
    positions = torch.arange(first_seen(first, window), first + T)[None]
    visible = positions <= rows
    if window:
        visible &= positions > rows - window
    return visible.repeat(copies, 1)
