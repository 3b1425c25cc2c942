# SPDX-License-Identifier: Apache-2.0
"""A chunk that nobody asked for, computed before a stage serves: it shows that the shard can, and
how long that takes. Knows nothing of runs.
"""

import time

import torch

from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.backends.shard import Shard, Span
from shard_runtime.errors import WarmUpFailed
from teetee.errors import TeeTeeError


def warm_up(shard: Shard, pool: CachePool, chunk: int) -> float:
    """Seconds that a prompt's first chunk takes; 0 where the pool has no room for one position.

    Takes room in the pool, as a run would, and gives it back. Raises `WarmUpFailed`, and what a
    shard of several processes raises.
    """
    rows = _that_fit(pool, min(chunk, shard.architecture.context_length))
    if not rows:
        return 0.0
    try:
        return _seconds(shard, pool, rows)
    except TeeTeeError:
        raise
    except Exception as error:  # a library's, of whatever kind; the rows are nobody's content
        raise WarmUpFailed(rows, f"{type(error).__name__}: {error}") from error


def _that_fit(pool: CachePool, rows: int) -> int:
    """Fewer where the whole budget is smaller: no run can have more there either."""
    while rows and pool.bytes_for(rows) > pool.budget_bytes - pool.used_bytes:
        rows //= 2
    return rows


def _seconds(shard: Shard, pool: CachePool, rows: int) -> float:
    # Random, since rows that are alike would all go to the same experts.
    numbers = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, shard.architecture.hidden_size, generator=numbers)  # (T, H)
    cache = pool.allocate(rows)
    try:
        # For the first one pages, kernels and threads have to be fetched too: it says too much.
        shard.forward(hidden, [Span(cache, 0, rows)])
        began = time.monotonic()
        shard.forward(hidden, [Span(cache, 0, rows)])
        return time.monotonic() - began
    finally:
        pool.free(cache)
