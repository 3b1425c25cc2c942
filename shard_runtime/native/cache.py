"""One run's keys and values, as the attention kernel reads them (source/views.h has the layout)."""

from dataclasses import dataclass

from shard_runtime.model.architecture import Architecture
from shard_runtime.native.errors import NativeRefused
from shard_runtime.native.memory import Pages
from shard_runtime.native.views import LANES, POSITIONS, Precision, round_up


def cache_bytes(
    architecture: Architecture, layers: int, capacity: int, precision: Precision
) -> int:
    """What a run of that many positions takes, at most: pages come as positions are written."""
    per_head = architecture.head_size + round_up(architecture.head_size, LANES)
    per_position = layers * architecture.kv_head_count * per_head * precision.cache_item_bytes
    return round_up(capacity, POSITIONS) * per_position


class NativeCache:
    """Made by `NativeLayers.cache`; fits no other layers."""

    def __init__(
        self, architecture: Architecture, layers: int, capacity: int, precision: Precision
    ) -> None:
        if capacity < 1:
            raise NativeRefused("a cache", f"{capacity} positions", "at least one")
        self.capacity = capacity
        self.layers = layers
        self.precision = precision
        self.bytes = cache_bytes(architecture, layers, capacity, precision)
        self.rounded = round_up(capacity, POSITIONS)
        self._pages = Pages(self.bytes)
        self.address = self._pages.address


@dataclass(frozen=True, slots=True)
class NativeSpan:
    """Neighbouring rows of one run: positions `[first, first + rows)`."""

    cache: NativeCache
    first: int
    rows: int
