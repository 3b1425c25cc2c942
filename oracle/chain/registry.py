# SPDX-License-Identifier: Apache-2.0
"""The registry: implements `RegistryReader` over `teetee.chain`."""

from collections.abc import Sequence

from teetee.chain.contract_errors import UnknownShard
from teetee.chain.contracts.registry import Registry
from teetee.chain.types.blocks import Block
from teetee.chain.types.shards import Shard
from teetee.protocol.identifiers import ModelId
from teetee.protocol.path import Spread


class ChainRegistryReader:
    """Reads the shards of one model; `teetee.chain` checks each against its identity digest."""

    def __init__(self, registry: Registry, *, model_id: ModelId, signer: str) -> None:
        self._registry = registry
        self._model_id = model_id
        self._signer = signer
        self._spread: tuple[Block, Spread] | None = None

    def active_shards(self, *, at: Block) -> Sequence[Shard]:
        """The active shards of this enclave's model, by ascending id."""
        ids, policy = self._registry.active_ids_and_policy(self._model_id, at)
        self._spread = (at, policy.spread)
        return self._registry.shards(ids, at)

    def spread(self, *, at: Block) -> Spread:
        """How many hosts and platforms the model's policy requires of a path. Costs no call at the
        block of the last `active_shards`.
        """
        known = self._spread
        if known is not None and known[0] == at:
            return known[1]
        return self._registry.policy(self._model_id, at).spread

    def own_shard(self, *, at: Block) -> Shard | None:
        """The latest shard that this enclave's signer was enrolled as, active or not."""
        shard_id = self._registry.shard_of(self._signer)
        try:
            return None if shard_id is None else self._registry.shard(shard_id, at)
        except UnknownShard:
            # `shard_of` reads the newest block, which may be younger than `at`.
            return None
