# SPDX-License-Identifier: Apache-2.0
"""Runs a shard on a GPU, for measurements only: in the runtime itself, shards compute on the CPU.

Weights, caches and arithmetic are on the GPU; hidden states are copied from and to the links.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from shard_runtime import Shard

COMPUTING = ("embed", "forward", "logits")


def compute_on(shard: Shard, device: str) -> None:
    """Makes a shard that was loaded under `torch.device(device)` compute there too."""
    for name in COMPUTING:
        setattr(shard, name, _on_device(getattr(shard, name), device))
    pool_of = shard.cache_pool

    def pool_on_device(budget_bytes: int) -> Any:
        pool: Any = pool_of(budget_bytes)
        pool.allocate = _on_device(pool.allocate, device)
        return pool

    shard.cache_pool = pool_on_device  # type: ignore[method-assign]


def _on_device(work: Callable[..., Any], device: str) -> Callable[..., Any]:
    @wraps(work)
    def wrapped(*arguments: Any) -> Any:
        moved = [each.to(device) if isinstance(each, torch.Tensor) else each for each in arguments]
        with torch.device(device):
            result = work(*moved)
        return result.cpu() if isinstance(result, torch.Tensor) else result

    return wrapped
