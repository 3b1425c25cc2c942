# SPDX-License-Identifier: Apache-2.0
"""Keys and values keep to their budget, however many ask.

given an entry and a stage with room for a few runs each, and 32 requests at once
    when all are asked
        all of them should be answered, each as if it were alone
        at no opening and no closing of a cache should more be counted than the budget allows
        what is counted should be the bytes that the caches have, and nothing in the end
"""

import time
from dataclasses import replace
from typing import Any

from shard_runtime import ModelSource
from shard_runtime.backends.kv_cache import KvCache, Room, RunCache
from shard_runtime.backends.native import NativeCache
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.engine.test_batching import Ask, at_once, tokens
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.rings import QUICK_ENTRY, QUICK_STAGE, running
from tests.shard_runtime.tiny_models import prompt_of

STREAMS = 32
ASKED: list[Ask] = [
    (prompt_of(3 + number, seed=number), Sampling(max_tokens=6 + number % 5))
    for number in range(STREAMS)
]
LONGEST = max(len(prompt) + sampling.max_tokens for prompt, sampling in ASKED)


class Book:
    """What a pool counts and what its caches have, at every opening and closing."""

    def __init__(self, pool: Room) -> None:
        self.budget = pool.budget
        self.counted: list[int] = []
        self.had: list[int] = []
        self._pool = pool
        self._caches: list[RunCache] = []
        self._open, self._close = pool.open, pool.close
        pool.open, pool.close = self.open, self.close  # type: ignore[method-assign]

    def open(self, capacity: int) -> RunCache:
        cache = self._open(capacity)
        self._note([*self._caches, cache])
        return cache

    def close(self, cache: RunCache) -> None:
        self._close(cache)
        self._note([each for each in self._caches if each is not cache])

    def _note(self, caches: list[RunCache]) -> None:
        self._caches = caches
        self.counted.append(self._pool.used)
        self.had.append(sum(map(bytes_of, caches)))


def bytes_of(cache: RunCache) -> int:
    """By what was asked of the system for it."""
    if isinstance(cache, NativeCache):
        return len(cache._pages._region._map)
    assert isinstance(cache, KvCache)
    return sum(each.untyped_storage().nbytes() for each in (cache._keys, cache._values))


def assert_32_streams_keep_to_budgets(source: ModelSource, **how: Any) -> None:
    """The stage has less room than the entry: it refuses some, which are tried again."""
    with running(source, 2, **how) as ring:
        entry, stage = (shard.cache_pool(0).bytes_for(LONGEST) for shard in ring.shards)
        alone = [ring.ask(prompt, sampling=sampling).token_ids for prompt, sampling in ASKED]
    tight = {
        "entry_settings": replace(QUICK_ENTRY, cache_bytes=5 * entry),
        "stage_settings": replace(QUICK_STAGE, cache_bytes=4 * stage),
    }
    with running(source, 2, **how, **tight) as ring:
        books = [Book(ring.entry._engine._pool), Book(ring.part(2)._pool)]
        got = at_once(ring, ASKED, deadline=time.monotonic() + 60)
        assert [tokens(each) for each in got] == alone
        assert eventually(lambda: is_empty(ring))
    for book in books:
        assert book.counted == book.had
        assert len(book.counted) >= 2 * STREAMS
        assert book.budget / 2 < max(book.counted) <= book.budget
        assert book.counted[-1] == 0


def test_generate__32_at_once_in_little_room__keep_to_it_and_are_all_answered(
    spoken: ModelSource,
) -> None:
    assert_32_streams_keep_to_budgets(spoken)
