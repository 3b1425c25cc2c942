# SPDX-License-Identifier: Apache-2.0
"""What a world consists of: its shards, ports and settings. Nothing runs yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from teetee.protocol.layers import LayerRange

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
CHAIN_ID = 31_337


@dataclass(frozen=True)
class ShardPlan:
    """One enclave and the layers that it serves."""

    name: str
    layers: LayerRange
    is_entry: bool = False


def three_shards(layer_count: int) -> tuple[ShardPlan, ...]:
    """An entry and two more; fewer for a model of less than three layers.

    The entry gets fewer layers: in SmolLM2-135M, embedding and head cost as much as eight layers.
    """
    first = max(1, layer_count * 8 // 30)
    second = first + max(1, (layer_count - first) // 2)
    bounds = sorted({0, min(first, layer_count), min(second, layer_count), layer_count})
    names = ("entry", "middle", "last")
    return tuple(
        ShardPlan(name, LayerRange(start, end), is_entry=start == 0)
        for name, start, end in zip(names, bounds, bounds[1:], strict=False)
    )


@dataclass(frozen=True)
class WorldPlan:
    """A world's settings. `directory` is the world's alone, and is emptied when it starts."""

    directory: Path = BUILD / "demo"
    model: Path | None = None
    port: int | None = None
    # The shards, for a model of so many layers.
    shards: Callable[[int], tuple[ShardPlan, ...]] = three_shards
    # More settings of the oracles, by name without TEETEE_.
    oracle_settings: dict[str, str] = field(default_factory=dict)
    # The port under which others reach a listener's port: a proxy can stand in front of it.
    front: Callable[[int], int] = lambda port: port
