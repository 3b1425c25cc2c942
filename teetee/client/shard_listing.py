# SPDX-License-Identifier: Apache-2.0
"""Published models and the shards that serve them: the facts of `teetee models` and
`teetee shards`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from teetee.chain.errors import LogMissing
from teetee.chain.types.blocks import Block
from teetee.chain.types.models import Model
from teetee.chain.types.shards import Shard
from teetee.client.contracts import Contracts
from teetee.client.errors import ModelNotChosen, ModelUnknown, NoModel
from teetee.client.serving_paths import shards_on_paths, uncovered_layers
from teetee.errors import PathError
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.layers import LayerRange


@dataclass(frozen=True)
class OpenSlot:
    """A layer range for which another host is wanted."""

    layers: LayerRange
    shards: int
    """The number of shards that serve it now: 0 or 1."""

    def __str__(self) -> str:
        return f"layers {self.layers}: " + ("one shard, no replica" if self.shards else "no shard")


@dataclass(frozen=True)
class ModelListing:
    """A model and its shards, as of one block."""

    model: Model
    shards: tuple[Shard, ...]
    """The active shards, and the inactive ones if they were asked for."""
    at: Block

    @property
    def active(self) -> tuple[Shard, ...]:
        """The shards that may serve requests."""
        return tuple(shard for shard in self.shards if shard.is_active)

    @property
    def gaps(self) -> tuple[LayerRange, ...]:
        """Layers that no active shard serves."""
        return uncovered_layers(self.model.layer_count, [shard.layers for shard in self.active])

    @property
    def open_slots(self) -> tuple[OpenSlot, ...]:
        """Gaps, and the ranges of shards that no replica can replace.

        A shard has no replica if it alone serves one of its layers. Only shards on a path count;
        without any path, all active shards do.
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
        """Whether the active shards can serve a request."""
        try:
            return bool(self.active and shards_on_paths(self.active, self.model.layer_count))
        except PathError:
            return False


def find_model(contracts: Contracts, wanted: str | None, at: Block) -> Model:
    """Look up a model by number or name; None means the only one.

    Raises `NoModel`, `ModelNotChosen`, `ModelUnknown`.
    """
    number = model_number(wanted)
    if number is not None:
        return contracts.registry.model(number, at)
    models = _all_models(contracts, at)
    if not models:
        raise NoModel
    if wanted is None and len(models) > 1:
        raise ModelNotChosen(len(models))
    for model in models:
        if wanted in (None, model.name):
            return model
    raise ModelUnknown(str(wanted))


def model_number(wanted: str | None) -> ModelId | None:
    """The number that `wanted` is; None for a name."""
    is_number = wanted is not None and wanted.isascii() and wanted.isdecimal()
    return ModelId(int(wanted or 0)) if is_number else None


def list_models(
    contracts: Contracts, wanted: str | None, *, include_inactive: bool
) -> list[ModelListing]:
    """List one model (by number or name) or all of them, with their shards.

    Raises `ModelUnknown`, and the chain's errors.
    """
    at = contracts.connection.head()
    if wanted is not None:
        models = [find_model(contracts, wanted, at)]
    else:
        models = _all_models(contracts, at)
    every_shard = _all_shards(contracts, at) if include_inactive else []
    listings = []
    for model in models:
        if include_inactive:
            shards = tuple(each for each in every_shard if each.model_id == model.model_id)
        else:
            shards = contracts.registry.active_shards(model.model_id, at)
        listings.append(ModelListing(model, shards, at))
    return listings


def shards_of_host(contracts: Contracts, host: str) -> list[Shard]:
    """List every shard that a host has enrolled, including those that have left."""
    at = contracts.connection.head()
    return [shard for shard in _all_shards(contracts, at) if shard.host == host]


def _all_models(contracts: Contracts, at: Block) -> list[Model]:
    numbers = range(1, contracts.registry.model_count(at) + 1)
    batch = contracts.connection.batch(at)
    reads = [contracts.registry.model_in(batch, ModelId(number)) for number in numbers]
    return [read() for read in reads]


def _all_shards(contracts: Contracts, at: Block) -> list[Shard]:
    numbers = range(1, contracts.registry.shard_count(at) + 1)
    try:
        return contracts.registry.shards([ShardId(number) for number in numbers], at)
    except LogMissing:
        return _all_shards_with_events(contracts, at)


def _all_shards_with_events(contracts: Contracts, at: Block) -> list[Shard]:
    """One by one: a shard without an event has a newer enrolment, which comes later in the list."""
    shards = []
    for number in range(1, contracts.registry.shard_count(at) + 1):
        with suppress(LogMissing):
            shards.append(contracts.registry.shard(ShardId(number), at))
    return shards
