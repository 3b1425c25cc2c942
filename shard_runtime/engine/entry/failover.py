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
    job: GenerationJob, search: PathSearch, engine: EntryEngine, run_on: RunOn
) -> Generation:
    """The answer, over as many paths as it takes. Raises what `Entry.generate` raises."""
    while True:
        path = _wait_for_path(job, search, engine)
        try:
            return run_on(path)
        except PATH_FAILURES as error:
            search.record_failure(error, time.monotonic())
            if job.on_failure is not None:
                job.on_failure(error)


def _wait_for_path(
    job: GenerationJob, search: PathSearch, engine: EntryEngine
) -> tuple[ShardId, ...]:
    while True:
        job.check_ended("a path", search.last_failure)
        path = search.next_path(time.monotonic())
        if path is not None:
            return path
        if engine.has_ended:
            raise EntryClosed
        if job.deadline is None and search.last_failure is not None:
            raise search.last_failure
        engine.closing.wait(POLL_SECONDS)
