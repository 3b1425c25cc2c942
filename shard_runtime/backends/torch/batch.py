# SPDX-License-Identifier: Apache-2.0
"""The rows of one forward call: which run each belongs to, its position, and what it attends to."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.shard import Span
from shard_runtime.backends.torch.rotary import CosSin, RotaryEmbedding


@dataclass(frozen=True, slots=True)
class BatchedSpan:
    """A span, its rows within the batch, and its attention masks by window."""

    span: Span
    rows: slice
    masks: dict[int, torch.Tensor | None]
    """(heads/groups × T, visible positions); None if every position is visible."""


class Batch:
    """What all layers of a shard need to know about the rows of one call."""

    def __init__(
        self,
        architecture: Architecture,
        rotary: RotaryEmbedding | None,
        spans: Sequence[Span],
        windows: frozenset[int],
    ) -> None:
        heads_per_group = architecture.head_count // architecture.kv_head_count
        self.spans = tuple(_batched_spans(spans, windows, heads_per_group))
        positions = [(span.first, span.end, span.cache.capacity) for span in spans]
        self._cos_sin: dict[bool, CosSin] = {}
        if rotary is not None:
            for local in {rotary.is_local(window) for window in windows}:
                self._cos_sin[local] = rotary.cos_sin(positions, local=local)
        self._rotary = rotary

    def cos_sin(self, window: int) -> CosSin | None:
        """The rotation of all rows, for layers with that window; None for learned positions."""
        return self._cos_sin[self._rotary.is_local(window)] if self._rotary else None


def _batched_spans(
    spans: Sequence[Span], windows: frozenset[int], heads_per_group: int
) -> list[BatchedSpan]:
    batched, begin = [], 0
    for span in spans:
        masks = {
            window: attention_mask(span.first, span.rows, window, heads_per_group)
            for window in windows
        }
        batched.append(BatchedSpan(span, slice(begin, begin + span.rows), masks))
        begin += span.rows
    return batched


def first_visible_position(first: int, window: int) -> int:
    """The earliest position visible to a row at `first`."""
    return max(0, first - window + 1) if window else 0


def attention_mask(first: int, T: int, window: int, heads_per_group: int) -> torch.Tensor | None:
    """(heads/groups × T, positions from `first_visible_position` on) booleans; None if all true."""
    if T == 1:
        return None
    rows = torch.arange(first, first + T)[:, None]
    positions = torch.arange(first_visible_position(first, window), first + T)[None]
    visible = positions <= rows
    if window:
        visible &= positions > rows - window
    return visible.repeat(heads_per_group, 1)
