# SPDX-License-Identifier: Apache-2.0
"""Keys and values of the runs in work, within a budget.

A run's room is reserved whole when it is admitted: prompt and the longest answer that was paid for.
So nothing can run out in the middle of an answer, and no run ever waits for another's room while it
holds its own: there is no dead-lock, and nobody is put off to make room. The operating system hands
out the pages only as positions are written.
"""

from abc import ABC, abstractmethod
from typing import Protocol

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.errors import CacheFull


class RunCache(Protocol):
    """One run's keys and values in one shard; what else they are is the shard's affair."""

    @property
    def capacity(self) -> int:
        """How many positions the run may come to have."""
        ...


class KvCache:
    """The torch layers' own."""

    def __init__(
        self, *, layers: int, kv_heads: int, capacity: int, head_size: int, dtype: torch.dtype
    ) -> None:
        self.capacity = capacity
        self._keys = torch.empty(layers, kv_heads, capacity, head_size, dtype=dtype)
        self._values = torch.empty(layers, kv_heads, capacity, head_size, dtype=dtype)

    def extend(
        self, layer: int, first: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store positions from `first` on; give all up to them.

        layer: counted within the shard. keys, values: (T, kv_heads, D). Gives (kv_heads, first + T,
        D) each.
        """
        end = first + keys.shape[0]
        self._keys[layer, :, first:end] = keys.transpose(0, 1)
        self._values[layer, :, first:end] = values.transpose(0, 1)
        return self._keys[layer, :, :end], self._values[layer, :, :end]


class Room(ABC):
    """Hands out caches up to a budget of bytes. Used by the thread that computes, and no other."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.used = 0

    @abstractmethod
    def bytes_for(self, capacity: int) -> int:
        """What a run of that many positions takes."""

    @abstractmethod
    def make(self, capacity: int) -> RunCache:
        """A cache, whatever the budget."""

    def open(self, capacity: int) -> RunCache:
        """Room for `capacity` positions. Raises `CacheFull`."""
        needed = self.bytes_for(capacity)
        if self.used + needed > self.budget:
            raise CacheFull(needed, self.budget - self.used, self.budget)
        cache = self.make(capacity)
        self.used += needed
        return cache

    def close(self, cache: RunCache) -> None:
        """Give the room back. Once per cache."""
        self.used -= self.bytes_for(cache.capacity)


class CachePool(Room):
    """Of a shard that torch computes."""

    def __init__(
        self, architecture: Architecture, layers: int, dtype: torch.dtype, budget: int
    ) -> None:
        super().__init__(budget)
        self._architecture = architecture
        self._layers = layers
        self._dtype = dtype

    def make(self, capacity: int) -> KvCache:
        return KvCache(
            layers=self._layers,
            kv_heads=self._architecture.kv_head_count,
            capacity=capacity,
            head_size=self._architecture.head_size,
            dtype=self._dtype,
        )

    def bytes_for(self, capacity: int) -> int:
        numbers = self._layers * self._architecture.kv_elements_per_position * capacity
        return numbers * self._dtype.itemsize
