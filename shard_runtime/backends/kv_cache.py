# SPDX-License-Identifier: Apache-2.0
"""KV caches of the active runs, within a budget.

A run's whole cache is reserved when the run is admitted: its prompt and the longest answer paid
for. So no cache overflows in the middle of an answer, and no run waits for memory while it holds
some: there is no deadlock, and no run is evicted. The operating system allocates pages only as
positions are written.
"""

from abc import ABC, abstractmethod
from typing import Protocol

from shard_runtime.errors import CacheFull

DEFAULT_CACHE_BYTES = 1 << 30
"""The budget of a shard whose operator sets no other: 1 GiB."""


class RunCache(Protocol):
    """One run's keys and values in one shard. Its content is known to the backend alone."""

    @property
    def capacity(self) -> int:
        """The maximum number of positions."""
        ...


class CachePool(ABC):
    """Allocates caches up to a budget of bytes. Used only by the thread that computes."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = 0

    @abstractmethod
    def bytes_for(self, capacity: int) -> int:
        """The size of a cache for `capacity` positions."""

    @abstractmethod
    def create_cache(self, capacity: int) -> RunCache:
        """A new cache, regardless of the budget."""

    def allocate(self, capacity: int) -> RunCache:
        """A cache for `capacity` positions. Raises `CacheFull`."""
        needed = self.bytes_for(capacity)
        if self.used_bytes + needed > self.budget_bytes:
            raise CacheFull(needed, self.budget_bytes - self.used_bytes, self.budget_bytes)
        cache = self.create_cache(capacity)
        self.used_bytes += needed
        return cache

    def free(self, cache: RunCache) -> None:
        """Returns the cache's bytes to the budget. Call once per cache."""
        self.used_bytes -= self.bytes_for(cache.capacity)
