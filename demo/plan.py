"""What a world is made of, before anything runs: which shards, which ports, which limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from teetee.layers import LayerRange

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
CHAIN_ID = 31_337


@dataclass(frozen=True)
class ShardPlan:
    """One enclave and what it serves."""

    name: str
    layers: LayerRange
    is_entry: bool = False

    @property
    def host_role(self) -> str:
        """The wallet that owns it: each shard has a host of its own."""
        return f"host-{self.name}"


# SmolLM2-135M has 30 layers; its embedding and head cost the entry about as much as eight of them.
THREE_SHARDS = (
    ShardPlan("entry", LayerRange(0, 8), is_entry=True),
    ShardPlan("middle", LayerRange(8, 19)),
    ShardPlan("last", LayerRange(19, 30)),
)


@dataclass(frozen=True)
class Plan:
    """A world's settings. `directory` belongs to it alone, and is emptied when it starts."""

    directory: Path = BUILD / "demo"
    model: Path | None = None
    port: int | None = None
    shards: tuple[ShardPlan, ...] = THREE_SHARDS
    # More settings of the oracles, by name without TEETEE_.
    oracle_settings: dict[str, str] = field(default_factory=dict)
