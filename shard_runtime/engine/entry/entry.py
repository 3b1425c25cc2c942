# SPDX-License-Identifier: Apache-2.0
"""The entry: turns prompts into answers. No other shard on the path sees text or token ids.

This is the callers' side: each thread waits here for its answer. When a path breaks, `failover`
continues over another. `engine` is the thread that computes.
"""

import queue
import time
from collections.abc import Mapping, Sequence

from shard_runtime.backends.shard import Shard
from shard_runtime.engine.entry.engine import EntryEngine, EntrySettings
from shard_runtime.engine.entry.failover import generate_with_failover
from shard_runtime.engine.entry.job import POLL_SECONDS, GenerationJob
from shard_runtime.engine.entry.path_search import PathSearch
from shard_runtime.engine.entry.request import EntryRequest, Generation
from shard_runtime.engine.entry.run import EntryRun
from shard_runtime.engine.entry.shard_performance import ShardPerformance
from shard_runtime.engine.loop import EngineReport
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.errors import (
    ContextOverflow,
    EntryClosed,
    PathInvalid,
    PromptEmpty,
    TokenUnknown,
)
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.peers import PeerDirectory, resolve_path
from shard_runtime.links.port import Links
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from teetee.protocol.identifiers import RequestId, ShardId


class Entry:
    """Runs requests along paths that begin with its own shard."""

    def __init__(
        self,
        *,
        shard: Shard,
        tokenizer: ModelTokenizer,
        identity: StageIdentity,
        links: Links,
        directory: PeerDirectory,
        settings: EntrySettings | None = None,
    ) -> None:
        self._shard = shard
        self._tokenizer = tokenizer
        self._identity = identity
        self._directory = directory
        self.performance = ShardPerformance(time.monotonic)
        """Of the other shards, for choosing paths."""
        self._engine = EntryEngine(
            shard=shard,
            identity=identity,
            links=links,
            directory=directory,
            settings=settings or EntrySettings(),
            performance=self.performance,
        )

    @property
    def open_runs(self) -> int:
        """Open runs, and those that wait for room."""
        return self._engine.open_runs

    @property
    def cache_bytes_used(self) -> int:
        """Bytes reserved for keys and values."""
        return self._engine.cache_bytes_used

    def report(self) -> EngineReport:
        """Counts and sizes for an operator."""
        return self._engine.report()

    def start(self) -> None:
        """Start the threads; requests can run from now on."""
        self._engine.start()

    def close(self) -> None:
        """End the open runs with `EntryClosed`, then the threads and the links."""
        self._engine.close()

    def encode(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """Messages to token ids. Raises `ChatTemplateInvalid`, `TokenizerMissing`."""
        return self._tokenizer.encode_messages(messages)

    def check(self, token_ids: Sequence[int]) -> None:
        """Raises `PromptEmpty`, `ContextOverflow`, `TokenUnknown`."""
        architecture = self._shard.architecture
        if not token_ids:
            raise PromptEmpty
        if len(token_ids) >= architecture.context_length:
            raise ContextOverflow(len(token_ids), architecture.context_length)
        if not all(0 <= token < architecture.vocabulary_size for token in token_ids):
            raise TokenUnknown(architecture.vocabulary_size)

    def generate(self, job: GenerationJob) -> Generation:
        """Answer a prompt. Blocks; any number of threads may call it. The caller limits how many
        run at the same time; those whose cache does not fit yet wait here.

        When a path breaks, the answer continues on the next one where it was.

        Raises `PromptError`, `PathInvalid`, `RunCancelled`, `CacheFull`, `DeadlinePassed`,
        `EntryClosed`; and, when there is no path for longer than the job waits for one, what
        `choose_path` raises, or the error of the last path that broke.
        """
        self.check(job.token_ids)
        request = EntryRequest(
            job,
            tokenizer=self._tokenizer,
            context_length=self._shard.architecture.context_length,
        )
        return generate_with_failover(
            job,
            PathSearch(job.choose_path, self._identity.shard_id),
            self._engine,
            lambda path: self._run_on(path, job, request),
            lambda: len(request.history),
        )

    def _run_on(
        self, path: tuple[ShardId, ...], job: GenerationJob, request: EntryRequest
    ) -> Generation:
        run = EntryRun(request, self._bind(path, job.request_id), job.salt_of)
        request.set_path(path)
        # Counted from now on, so that the next choice of a path takes this run into account.
        with self.performance.counting_run(path[1:]):
            return self._follow(run, job)

    def _bind(self, path: Sequence[ShardId], request_id: RequestId) -> RunBinding:
        layer_count = self._shard.architecture.layer_count
        peers = resolve_path(self._directory, path, layer_count)
        own = (self._identity.shard_id, self._shard.layers)
        if (peers[0].shard_id, peers[0].layers) != own:
            raise PathInvalid(f"does not begin with shard {own[0]} for layers {own[1]}")
        return RunBinding(request_id, self._identity.model_id, peers)

    def _follow(self, run: EntryRun, job: GenerationJob) -> Generation:
        publish = job.on_text or (lambda _: None)
        pending: list[str] = []
        # Once the time is over, pieces wait for the end: publishing may be what takes so long.
        is_ending = False
        self._engine.begin(run)
        try:
            while True:
                try:
                    update = run.updates.get(timeout=POLL_SECONDS)
                except queue.Empty:
                    update = ""
                job.check_ended("its answer")
                if not is_ending and job.is_time_to_end is not None and job.is_time_to_end():
                    run.request.end_for_time()
                    is_ending = True
                if isinstance(update, Generation):
                    if pending:
                        publish("".join(pending))
                    return update
                if isinstance(update, Exception):
                    raise update
                if update and is_ending:
                    pending.append(update)
                elif update:
                    publish(update)
                if self._engine.has_ended and run.updates.empty():
                    raise EntryClosed
        finally:
            self._engine.leave(run)
