# SPDX-License-Identifier: Apache-2.0
"""Grouped-query attention over each run's cache.

Rows of several runs are projected together; then each run attends only to its own cache.
"""

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F

from shard_runtime.architecture import Architecture
from shard_runtime.backends.torch.batch import Batch, BatchedSpan, first_visible_position
from shard_runtime.backends.torch.kv_cache import TorchCache
from shard_runtime.backends.torch.norms import build_norm
from shard_runtime.backends.torch.rotary import apply_rotary


class Attention:
    """One layer's attention. `index` counts within the shard and selects the layer in the cache."""

    def __init__(
        self,
        architecture: Architecture,
        index: int,
        window: int,
        tensors: Mapping[str, torch.Tensor],
    ) -> None:
        self._shape = architecture
        self._index = index
        self._window = window
        self._query_key_value = tensors["query_key_value"]  # one matrix: fewer, larger products
        self._query_key_value_bias = tensors.get("query_key_value.bias")
        self._query_norm = build_norm(architecture, tensors, "query_norm")
        self._key_norm = build_norm(architecture, tensors, "key_norm")
        self._output, self._output_bias = tensors["output"], tensors.get("output.bias")

    def forward(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(R, H) → (R, H). Appends the rows' keys and values to their runs' caches."""
        queries, keys, values = self._project(x, batch)
        mixed = [
            self._attend(queries[each.rows], keys[each.rows], values[each.rows], each)
            for each in batch.spans
        ]
        rows = mixed[0] if len(mixed) == 1 else torch.cat(mixed)  # (R, heads × D)
        return F.linear(rows, self._output, self._output_bias)

    def _project(
        self, x: torch.Tensor, batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries (R, heads, D), keys and values (R, groups, D), rotated by position."""
        heads, groups = self._shape.head_count, self._shape.kv_head_count
        fused = F.linear(x, self._query_key_value, self._query_key_value_bias)
        fused = fused.view(x.shape[0], heads + 2 * groups, self._shape.head_size)
        queries, keys, values = fused.split_with_sizes((heads, groups, groups), dim=1)
        if self._query_norm is not None and self._key_norm is not None:
            queries, keys = self._query_norm(queries), self._key_norm(keys)
        cos_sin = batch.cos_sin(self._window)
        if cos_sin is not None:
            queries = apply_rotary(queries, *cos_sin).to(x.dtype)
            keys = apply_rotary(keys, *cos_sin).to(x.dtype)
        return queries, keys, values

    def _attend(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, batched: BatchedSpan
    ) -> torch.Tensor:
        """One run's rows: (T, heads, D) and (T, groups, D) twice → (T, heads × D)."""
        T, heads, groups = queries.shape[0], self._shape.head_count, self._shape.kv_head_count
        span = batched.span
        cache = cast(TorchCache, span.cache)  # from the shard's own pool
        keys, values = cache.extend(self._index, span.first, keys, values)
        visible = first_visible_position(span.first, self._window)
        mixed = self._mix(
            _by_group(queries, groups),  # (1, groups, heads/groups × T, D)
            keys[None, :, visible:],
            values[None, :, visible:],
            batched.masks[self._window],
        )
        mixed = mixed.view(groups, heads // groups, T, -1).permute(2, 0, 1, 3)
        return mixed.reshape(T, -1)

    def _mix(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        scale, cap = self._shape.score_scale, self._shape.attention_cap
        if not cap:
            return F.scaled_dot_product_attention(
                queries, keys, values, attn_mask=mask, scale=scale
            )
        scores = torch.tanh(queries @ keys.transpose(-1, -2) * scale / cap) * cap
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(-1, dtype=torch.float32).to(queries.dtype) @ values


def _by_group(queries: torch.Tensor, groups: int) -> torch.Tensor:
    """(T, heads, D) → (1, groups, heads/groups × T, D): heads that share keys become rows, which
    avoids copies of the keys.
    """
    T, heads, D = queries.shape
    by_group = queries.view(T, groups, heads // groups, D).permute(1, 2, 0, 3)
    return by_group.reshape(1, groups, -1, D)
