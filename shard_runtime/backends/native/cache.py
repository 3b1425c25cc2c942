# SPDX-License-Identifier: Apache-2.0
"""One run's keys and values, as the attention kernel reads them (source/views.h has the layout)."""

from dataclasses import dataclass
from typing import Self

from shard_runtime.architecture import Architecture
from shard_runtime.backends.native.errors import NativeRefused
from shard_runtime.backends.native.memory import Pages
from shard_runtime.backends.native.views import LANES, POSITIONS, Precision, round_up


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What decides a cache's layout, beside its capacity."""

    layers: int
    kv_head_count: int
    head_size: int
    precision: Precision

    @classmethod
    def of(cls, architecture: Architecture, layers: int, precision: Precision) -> Self:
        return cls(layers, architecture.kv_head_count, architecture.head_size, precision)

    def bytes_for(self, capacity: int) -> int:
        """What so many positions take, at most: pages come as positions are written."""
        per_head = self.head_size + round_up(self.head_size, LANES)
        numbers = self.layers * self.kv_head_count * per_head * round_up(capacity, POSITIONS)
        return numbers * self.precision.cache_item_bytes


class NativeCache:
    """Made by `NativeLayers.cache`. Its memory goes back with the object."""

    def __init__(self, fits: CacheShape, capacity: int) -> None:
        if capacity < 1:
            raise NativeRefused("a cache", f"{capacity} positions", "at least one")
        self.fits = fits
        self.capacity = capacity
        self.rounded = round_up(capacity, POSITIONS)
        self.bytes = fits.bytes_for(capacity)
        self._pages = Pages(self.bytes)
        self.address = self._pages.address


@dataclass(frozen=True, slots=True)
class NativeSpan:
    """Neighbouring rows of one run: positions `[first, first + rows)`."""

    cache: NativeCache
    first: int
    rows: int
