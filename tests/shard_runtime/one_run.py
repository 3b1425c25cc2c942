# SPDX-License-Identifier: Apache-2.0
"""The forward pass of a single run, without an engine."""

import torch

from shard_runtime import Shard
from shard_runtime.backends.kv_cache import RunCache
from shard_runtime.backends.shard import Span


def forward_run(shard: Shard, hidden: torch.Tensor, cache: RunCache, first: int) -> torch.Tensor:
    """The rows of one run, from position `first` on: (R, H) → (R, H)."""
    return shard.forward(hidden, [Span(cache, first, hidden.shape[0])])
