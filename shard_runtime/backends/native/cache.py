# SPDX-License-Identifier: Apache-2.0
"""One run's keys and values in the layout of the attention kernel: `Span` of source/views.h."""

from dataclasses import dataclass
from typing import Self

from shard_runtime.architecture import Architecture
from shard_runtime.backends.native.errors import NativeInputInvalid
from shard_runtime.backends.native.layout import LANES, POSITIONS, Precision, round_up
from shard_runtime.backends.native.memory import Pages


@dataclass(frozen=True, slots=True)
class CacheShape:
    """Everything that determines a cache's layout except its capacity."""

    layers: int
    kv_head_count: int
    head_size: int
    precision: Precision

    @classmethod
    def of(cls, architecture: Architecture, layers: int, precision: Precision) -> Self:
        """The shape for that many layers of a model."""
        return cls(layers, architecture.kv_head_count, architecture.head_size, precision)

    def bytes_for(self, capacity: int) -> int:
        """The maximum size of a cache; pages are allocated as positions are written."""
        per_head = self.head_size + round_up(self.head_size, LANES)
        numbers = self.layers * self.kv_head_count * per_head * round_up(capacity, POSITIONS)
        return numbers * self.precision.cache_item_bytes


class NativeCache:
    """Created by `NativeLayers.allocate_cache`. Frees its memory with the object."""

    def __init__(self, shape: CacheShape, capacity: int) -> None:
        if capacity < 1:
            raise NativeInputInvalid("a cache", f"{capacity} positions", "at least one")
        self.shape = shape
        self.capacity = capacity
        self.rounded_capacity = round_up(capacity, POSITIONS)
        self._pages = Pages(shape.bytes_for(capacity))
        self.address = self._pages.address


@dataclass(frozen=True, slots=True)
class NativeSpan:
    """Consecutive rows of one run: positions `[first, first + rows)`."""

    cache: NativeCache
    first: int
    rows: int
