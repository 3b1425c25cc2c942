# SPDX-License-Identifier: Apache-2.0
"""The registry as `teetee.chain` shows it, in the oracle's words. Fulfils `RegistryReader`."""

from collections.abc import Sequence

from teetee.chain.connection import Block
from teetee.chain.contract_errors import UnknownShard
from teetee.chain.contracts.registry import Registry
from teetee.chain.types.shards import Shard
from teetee.protocol.identifiers import ModelId
from teetee.protocol.path import Spread


class RegistryDoor:
    """Reads the shards of one model, each checked by `teetee.chain` against its identity digest."""

    def __init__(self, registry: Registry, *, model_id: ModelId, signer: str) -> None:
        self._registry = registry
        self._model_id = model_id
        self._signer = signer

    def active_shards(self, *, at: Block) -> Sequence[Shard]:
        """Of our model, by rising id."""
        return self._registry.active_shards(self._model_id, at)

    def spread(self, *, at: Block) -> Spread:
        """What our model's policy asks of paths."""
        return self._registry.policy(self._model_id, at).spread

    def own_shard(self, *, at: Block) -> Shard | None:
        """The latest shard that our signer was enrolled as, active or not."""
        shard_id = self._registry.shard_of(self._signer)
        try:
            return None if shard_id is None else self._registry.shard(shard_id, at)
        except UnknownShard:
            # `shard_of` speaks of the newest block, which may be younger than `at`.
            return None
