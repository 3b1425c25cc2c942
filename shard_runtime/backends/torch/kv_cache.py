# SPDX-License-Identifier: Apache-2.0
"""The KV cache of torch layers."""

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.kv_cache import CachePool


class TorchCache:
    """One run's keys and values as torch tensors."""

    def __init__(
        self, *, layers: int, kv_heads: int, capacity: int, head_size: int, dtype: torch.dtype
    ) -> None:
        self.capacity = capacity
        self._keys = torch.empty(layers, kv_heads, capacity, head_size, dtype=dtype)
        self._values = torch.empty(layers, kv_heads, capacity, head_size, dtype=dtype)

    def extend(
        self, layer: int, first: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores positions from `first` on; returns all positions up to their end.

        layer: counted within the shard. keys, values: (T, kv_heads, D). Returns (kv_heads, first +
        T, D) each.
        """
        end = first + keys.shape[0]
        self._keys[layer, :, first:end] = keys.transpose(0, 1)
        self._values[layer, :, first:end] = values.transpose(0, 1)
        return self._keys[layer, :, :end], self._values[layer, :, :end]


class TorchCachePool(CachePool):
    """The cache pool of a torch shard."""

    def __init__(
        self, architecture: Architecture, layers: int, dtype: torch.dtype, budget_bytes: int
    ) -> None:
        super().__init__(budget_bytes)
        self._architecture = architecture
        self._layers = layers
        self._dtype = dtype

    def create_cache(self, capacity: int) -> TorchCache:
        return TorchCache(
            layers=self._layers,
            kv_heads=self._architecture.kv_head_count,
            capacity=capacity,
            head_size=self._architecture.head_size,
            dtype=self._dtype,
        )

    def bytes_for(self, capacity: int) -> int:
        elements = self._layers * self._architecture.kv_elements_per_position * capacity
        return elements * self._dtype.itemsize
