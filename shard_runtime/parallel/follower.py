"""A rank above 0: loads its part, then does what rank 0 orders until it is told to stop.

It ends when rank 0 does, because their connection ends then.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from shard_runtime.cache import CachePool, RunCache
from shard_runtime.model.batch import Span
from shard_runtime.model.loading import PartLoader, return_freed_memory
from shard_runtime.model.source import open_model
from shard_runtime.model.torch_shard import TorchShard
from shard_runtime.parallel.cutting import rank_shape
from shard_runtime.parallel.group import RankGroup
from shard_runtime.parallel.orders import CloseCache, Forward, OpenCache, Stop, decode
from shard_runtime.parallel.part_loading import load_modules, share_digest
from teetee.protocol.layers import LayerRange


def main(task: dict[str, Any]) -> None:
    """Serve rank 0 from beginning to end."""
    group = RankGroup(
        rank=task["rank"], size=task["ranks"], meeting_place=Path(task["meetingPlace"])
    )
    shard = _load(task, group)
    if shard is not None:
        _follow(shard, group)
    group.close()


def _load(task: dict[str, Any], group: RankGroup) -> TorchShard | None:
    """None where we read other bytes than rank 0, which then gives up."""
    source, layers = open_model(task["model"]), LayerRange(*task["layers"])
    loader = PartLoader(source, layers, is_entry=False, manifest=None, dtype=task["dtype"])
    modules = load_modules(source.architecture, layers, loader, group)
    same = share_digest(group, b"") == loader.slice_digest
    if not group.all_agree(same):
        return None
    return_freed_memory()
    return TorchShard(
        architecture=source.architecture,
        layers=layers,
        modules=modules,
        entry=None,
        slice_digest=loader.slice_digest,
        dtype=loader.dtype,
    )


def _follow(shard: TorchShard, group: RankGroup) -> None:
    shape = rank_shape(shard.architecture, group.size)
    # Rank 0 keeps the budget, with caches of the same size.
    pool = CachePool(shape, len(shard.layers), shard.dtype, sys.maxsize)
    caches: dict[int, RunCache] = {}
    while not isinstance(order := decode(group.share_numbers(())), Stop):
        if isinstance(order, OpenCache):
            caches[order.cache] = pool.open(order.capacity)
        elif isinstance(order, CloseCache):
            pool.close(caches.pop(order.cache))
        elif isinstance(order, Forward):
            _compute(shard, group, order, caches)


def _compute(
    shard: TorchShard, group: RankGroup, order: Forward, caches: dict[int, RunCache]
) -> None:
    width = shard.architecture.hidden_size
    hidden = group.share(torch.empty(order.rows, width, dtype=shard.dtype))
    spans = [Span(caches[cache], first, rows) for cache, first, rows in order.spans]
    shard.forward(hidden, spans)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
