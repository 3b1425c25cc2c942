# SPDX-License-Identifier: Apache-2.0
"""The fail-over loop: when a path breaks, the answer continues over another one where it was.

It runs in the caller's thread, once per path, never per token. `path_search` holds the times for
which failed shards are avoided; `engine` computes.
"""

import time
from collections.abc import Callable

from shard_runtime.engine.entry.engine import EntryEngine
from shard_runtime.engine.entry.job import POLL_SECONDS, GenerationJob
from shard_runtime.engine.entry.path_search import PATH_FAILURES, PathSearch
from shard_runtime.engine.entry.request import Generation
from shard_runtime.errors import EntryClosed
from teetee.protocol.identifiers import ShardId

RunOn = Callable[[tuple[ShardId, ...]], Generation]
"""(path) → the whole answer. Raises one of `PATH_FAILURES` if the path breaks."""


def generate_with_failover(
    job: GenerationJob,
    search: PathSearch,
    engine: EntryEngine,
    run_on: RunOn,
    count_tokens: Callable[[], int],
) -> Generation:
    """The answer, over as many paths as it takes. `count_tokens`: those that are known, by which
    progress is told. Raises what `Entry.generate` raises.
    """
    progress_at, tokens = time.monotonic(), count_tokens()
    while True:
        path = _wait_for_path(job, search, engine, progress_at)
        try:
            return run_on(path)
        except PATH_FAILURES as error:
            search.record_failure(error, time.monotonic())
            if job.on_failure is not None:
                job.on_failure(error)
        if count_tokens() > tokens:
            progress_at, tokens = time.monotonic(), count_tokens()


def _wait_for_path(
    job: GenerationJob, search: PathSearch, engine: EntryEngine, progress_at: float
) -> tuple[ShardId, ...]:
    while True:
        job.check_ended("a path", search.last_failure)
        path = search.next_path(time.monotonic())
        if path is not None:
            return path
        if engine.has_ended:
            raise EntryClosed
        waited_seconds = time.monotonic() - progress_at
        if search.last_failure is not None and waited_seconds >= job.seconds_for_a_path:
            raise search.last_failure
        engine.closing.wait(POLL_SECONDS)
