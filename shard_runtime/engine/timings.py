# SPDX-License-Identifier: Apache-2.0
"""Measures a stage's steps: a warm-up chunk at the start, then every step. Stages report the times
in their answers to heartbeats. Knows nothing of runs.
"""

import time

import torch

from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.backends.shard import Shard, Span
from shard_runtime.errors import WarmUpFailed
from teetee.errors import TeeTeeError

_NEWEST_WEIGHT = 0.1
"""Of the newest step in the mean."""
_DECAY = 0.999
"""Of the longest step, per step. A step during which the machine was suspended is forgotten after
some thousand steps. One that is long because of its rows and their contexts recurs gradually, since
both grow by a chunk at a time."""


class StepTimes:
    """Written by the computing thread, read by any."""

    def __init__(self) -> None:
        self.mean_seconds = 0.0
        """A running mean."""
        self.longest_seconds = 0.0
        """0 while nothing was computed."""
        self._chunk_seconds = 0.0

    def record_warm_up(self, seconds: float) -> None:
        """Set the time of a whole chunk alone; `longest_seconds` never falls below it."""
        self._chunk_seconds = self.longest_seconds = seconds

    def record_step(self, seconds: float) -> None:
        """Add one step."""
        self.mean_seconds += _NEWEST_WEIGHT * (seconds - self.mean_seconds)
        self.longest_seconds = max(seconds, self._chunk_seconds, _DECAY * self.longest_seconds)


def warm_up(shard: Shard, pool: CachePool, chunk: int) -> float:
    """Compute one chunk before the stage serves. Returns how many seconds a prompt's first chunk
    takes; 0 if the pool has no room for one position.

    Reserves room in the pool, as a run would, and frees it. Raises `WarmUpFailed`.
    """
    rows = _rows_that_fit(pool, min(chunk, shard.architecture.context_length))
    if not rows:
        return 0.0
    try:
        return _chunk_seconds(shard, pool, rows)
    except TeeTeeError:
        raise
    except Exception as error:  # a library's, of any class; the rows hold no one's content
        raise WarmUpFailed(rows, f"{type(error).__name__}: {error}") from error


def _rows_that_fit(pool: CachePool, rows: int) -> int:
    """Fewer if the whole budget is smaller: no run can have more there either."""
    while rows and pool.bytes_for(rows) > pool.budget_bytes - pool.used_bytes:
        rows //= 2
    return rows


def _chunk_seconds(shard: Shard, pool: CachePool, rows: int) -> float:
    # Random, since equal rows would all go to the same experts.
    numbers = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, shard.architecture.hidden_size, generator=numbers)  # (T, H)
    cache = pool.allocate(rows)
    try:
        # The first run also fetches pages, kernels and threads, so only the second one is measured.
        shard.forward(hidden, [Span(cache, 0, rows)])
        started_at = time.monotonic()
        shard.forward(hidden, [Span(cache, 0, rows)])
        return time.monotonic() - started_at
    finally:
        pool.free(cache)
