# SPDX-License-Identifier: Apache-2.0
"""KV caches stay within their budget under any number of requests.

given an entry and a stage with memory for a few runs each
    when 32 requests arrive at once
        it should answer each as it would alone
        it should never count more bytes than the budget when a cache is allocated or freed
        it should count exactly the bytes of its caches, and none in the end
"""

import time
from dataclasses import replace
from typing import Any

from shard_runtime import ModelSource
from shard_runtime.backends.kv_cache import CachePool, RunCache
from shard_runtime.backends.native import NativeCache
from shard_runtime.backends.torch.kv_cache import TorchCache
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.engine.test_batching import Ask, ask_together, tokens
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.rings import QUICK_ENTRY, QUICK_STAGE, running
from tests.shard_runtime.tiny_models import prompt_of

STREAMS = 32
ASKED: list[Ask] = [
    (prompt_of(3 + number, seed=number), Sampling(max_tokens=6 + number % 5))
    for number in range(STREAMS)
]
LONGEST = max(len(prompt) + sampling.max_tokens for prompt, sampling in ASKED)


class PoolRecorder:
    """Records what the pool counts and what its caches hold, at every allocation and release."""

    def __init__(self, pool: CachePool) -> None:
        self.budget_bytes = pool.budget_bytes
        self.counted: list[int] = []
        self.held_bytes: list[int] = []
        self._pool = pool
        self._caches: list[RunCache] = []
        self._allocate, self._free = pool.allocate, pool.free
        pool.allocate, pool.free = self.allocate, self.free  # type: ignore[method-assign]

    def allocate(self, capacity: int) -> RunCache:
        cache = self._allocate(capacity)
        self._record([*self._caches, cache])
        return cache

    def free(self, cache: RunCache) -> None:
        self._free(cache)
        self._record([each for each in self._caches if each is not cache])

    def _record(self, caches: list[RunCache]) -> None:
        self._caches = caches
        self.counted.append(self._pool.used_bytes)
        self.held_bytes.append(sum(map(bytes_of, caches)))


def bytes_of(cache: RunCache) -> int:
    """The bytes requested from the system."""
    if isinstance(cache, NativeCache):
        return len(cache._pages._region._map)
    assert isinstance(cache, TorchCache)
    return sum(each.untyped_storage().nbytes() for each in (cache._keys, cache._values))


def assert_32_streams_keep_to_budgets(source: ModelSource, **options: Any) -> None:
    """The stage has less memory than the entry: it rejects some runs, which are retried."""
    with running(source, 2, **options) as ring:
        entry, stage = (shard.cache_pool(0).bytes_for(LONGEST) for shard in ring.shards)
        alone = [ring.ask(prompt, sampling=sampling).token_ids for prompt, sampling in ASKED]
    tight = {
        "entry_settings": replace(QUICK_ENTRY, cache_bytes=5 * entry),
        "stage_settings": replace(QUICK_STAGE, cache_bytes=4 * stage),
    }
    with running(source, 2, **options, **tight) as ring:
        recorders = [PoolRecorder(ring.entry._engine._pool), PoolRecorder(ring.part(2)._pool)]
        got = ask_together(ring, ASKED, deadline=time.monotonic() + 60)
        assert [tokens(each) for each in got] == alone
        assert eventually(lambda: is_empty(ring))
    for recorder in recorders:
        assert recorder.counted == recorder.held_bytes
        assert len(recorder.counted) >= 2 * STREAMS
        assert recorder.budget_bytes / 2 < max(recorder.counted) <= recorder.budget_bytes
        assert recorder.counted[-1] == 0


def test_generate__32_at_once_with_little_memory__are_all_answered_within_the_budget(
    spoken: ModelSource,
) -> None:
    assert_32_streams_keep_to_budgets(spoken)
