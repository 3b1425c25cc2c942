# SPDX-License-Identifier: Apache-2.0
"""What is served now, by whom, for how much: the facts of `teetee models` and `teetee shards`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from teetee.chain.connection import Block
from teetee.chain.errors import LogMissing
from teetee.chain.types.models import Model
from teetee.chain.types.shards import Shard
from teetee.client.contracts import Contracts
from teetee.client.requests.quote_price import find_model
from teetee.client.requests.recipients import shards_on_paths
from teetee.errors import PathError
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.layers import LayerRange


@dataclass(frozen=True)
class OpenSlot:
    """Layers that a new host would best serve."""

    layers: LayerRange
    shards: int
    """Who serves them now: 0 or 1."""

    def __str__(self) -> str:
        return f"layers {self.layers}: " + ("one shard, no replica" if self.shards else "no shard")


@dataclass(frozen=True)
class Supply:
    """A model and its shards, as of one block."""

    model: Model
    shards: tuple[Shard, ...]
    """The active ones, and the others too where they were asked for."""
    at: Block

    @property
    def active(self) -> tuple[Shard, ...]:
        """Those that may serve."""
        return tuple(shard for shard in self.shards if shard.is_active)

    @property
    def gaps(self) -> tuple[LayerRange, ...]:
        """Layers that nobody active serves."""
        return uncovered(self.model.layer_count, [shard.layers for shard in self.active])

    @property
    def open_slots(self) -> tuple[OpenSlot, ...]:
        """Gaps, and shards without whom nothing is served: layers of which only one shard, among
        those that stand on a path, has any. Without a path, among all.
        """
        used = self.active
        if self.has_path:
            used = shards_on_paths(self.active, self.model.layer_count)
        served = Counter(layer for shard in used for layer in shard.layers.indices)
        alone = {
            shard.layers
            for shard in used
            if any(served[each] == 1 for each in shard.layers.indices)
        }
        slots = [OpenSlot(gap, 0) for gap in self.gaps]
        slots += [OpenSlot(layers, 1) for layers in alone]
        return tuple(sorted(slots, key=lambda slot: slot.layers))

    @property
    def has_path(self) -> bool:
        """Whether a request can be served."""
        try:
            return bool(self.active and shards_on_paths(self.active, self.model.layer_count))
        except PathError:
            return False


def supplies(contracts: Contracts, wanted: str | None, *, with_inactive: bool) -> list[Supply]:
    """Of one model (number or name), or of all. Raises `ModelUnknown`, and the chain's errors."""
    at = contracts.connection.head()
    if wanted is not None:
        models = [find_model(contracts, wanted, at)]
    else:
        numbers = range(1, contracts.registry.model_count(at) + 1)
        models = [contracts.registry.model(ModelId(number), at) for number in numbers]
    inactive = _all_shards(contracts, at) if with_inactive else []
    found = []
    for model in models:
        if with_inactive:
            shards = tuple(each for each in inactive if each.model_id == model.model_id)
        else:
            shards = contracts.registry.active_shards(model.model_id, at)
        found.append(Supply(model, shards, at))
    return found


def shards_of_host(contracts: Contracts, host: str) -> list[Shard]:
    """All shards that a host ever enrolled, also those which have left."""
    at = contracts.connection.head()
    return [shard for shard in _all_shards(contracts, at) if shard.host == host]


def uncovered(layer_count: int, ranges: Sequence[LayerRange]) -> tuple[LayerRange, ...]:
    """The gaps between ranges that may overlap."""
    gaps = []
    reached = 0
    for layers in sorted(ranges):
        if layers.first > reached:
            gaps.append(LayerRange(reached, layers.first))
        reached = max(reached, layers.end)
    if reached < layer_count:
        gaps.append(LayerRange(reached, layer_count))
    return tuple(gaps)


def _all_shards(contracts: Contracts, at: Block) -> list[Shard]:
    found = []
    for number in range(1, contracts.registry.shard_count(at) + 1):
        try:
            found.append(contracts.registry.shard(ShardId(number), at))
        except LogMissing:
            continue  # its enclave was enrolled again since: that shard comes later in the list
    return found
