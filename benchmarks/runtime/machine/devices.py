# SPDX-License-Identifier: Apache-2.0
"""A shard on a GPU, for measurements alone: in the runtime itself shards compute on the CPU.

Weights, caches and arithmetic are there; hidden states come from the links and go back to them.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from shard_runtime import Shard

COMPUTING = ("embed", "forward", "logits")


def put_on(shard: Shard, device: str) -> None:
    """`shard` was loaded under `torch.device(device)`; from now on it also computes there."""
    for name in COMPUTING:
        setattr(shard, name, _there(getattr(shard, name), device))
    pool_of = shard.cache_pool

    def pool_there(budget_bytes: int) -> Any:
        pool: Any = pool_of(budget_bytes)
        pool.allocate = _there(pool.allocate, device)
        return pool

    shard.cache_pool = pool_there  # type: ignore[method-assign]


def _there(work: Callable[..., Any], device: str) -> Callable[..., Any]:
    @wraps(work)
    def done(*arguments: Any) -> Any:
        moved = [each.to(device) if isinstance(each, torch.Tensor) else each for each in arguments]
        with torch.device(device):
            result = work(*moved)
        return result.cpu() if isinstance(result, torch.Tensor) else result

    return done
