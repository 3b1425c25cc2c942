# SPDX-License-Identifier: Apache-2.0
"""The entry: where prompts become answers. Text and token ids exist here and nowhere else on the
path.

This is the callers' side: each waits here for its answer, and for another path when one breaks.
`entry_engine` is the thread that computes.
"""

import queue
import time
from collections.abc import Callable, Mapping, Sequence

from shard_runtime.backends.shard import Shard
from shard_runtime.engine.entry.engine import EntryEngine, EntrySettings
from shard_runtime.engine.entry.generation import EntryRequest, Generation
from shard_runtime.engine.entry.measurements import Measurements
from shard_runtime.engine.entry.path_search import (
    PATH_FAILURES,
    ChoosePath,
    PathFailure,
    PathSearch,
)
from shard_runtime.engine.entry.run import EntryRun, SaltOf
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.errors import (
    ContextOverflow,
    DeadlinePassed,
    EntryClosed,
    PathInvalid,
    PromptEmpty,
    RunCancelled,
    TokenUnknown,
)
from shard_runtime.links.identity import StageIdentity
from shard_runtime.links.peers import PeerDirectory, resolve_path
from shard_runtime.links.port import Links
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.prompt import Sampling

_POLL_SECONDS = 0.1


class _Caller:
    """Whoever waits in `generate`: what it wants to hear, and until when."""

    def __init__(
        self,
        on_text: Callable[[str], None] | None,
        on_failure: Callable[[PathFailure], None] | None,
        cancelled: Callable[[], bool] | None,
        deadline: float | None,
    ) -> None:
        self.tell_text = on_text or (lambda _: None)
        self.tell_failure = on_failure or (lambda _: None)
        self._cancelled = cancelled or (lambda: False)
        self._deadline = deadline

    def waits_for_paths(self) -> bool:
        return self._deadline is not None

    def check(self, waits_for: str, reason: Exception | None = None) -> None:
        """Raises `RunCancelled`, `DeadlinePassed`."""
        if self._cancelled():
            raise RunCancelled
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlinePassed(waits_for) from reason


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
        self.measurements = Measurements(time.monotonic)
        """What whoever chooses paths may ask about the other shards."""
        self._engine = EntryEngine(
            shard=shard,
            identity=identity,
            links=links,
            directory=directory,
            settings=settings or EntrySettings(),
            measurements=self.measurements,
        )

    @property
    def open_runs(self) -> int:
        return self._engine.open_runs

    @property
    def cache_bytes_used(self) -> int:
        return self._engine.cache_bytes_used

    def start(self) -> None:
        """From now on requests can be run."""
        self._engine.start()

    def close(self) -> None:
        """End what is open with `EntryClosed`, then the threads and the links."""
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

    def generate(
        self,
        token_ids: Sequence[int],
        *,
        sampling: Sampling,
        paths: ChoosePath,
        request_id: RequestId,
        salts: SaltOf,
        on_text: Callable[[str], None] | None = None,
        on_failure: Callable[[PathFailure], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        deadline: float | None = None,
    ) -> Generation:
        """Answer a prompt. Blocks; any number of threads may call it: how many run at the same time
        is the caller's decision, and those whose cache does not fit yet wait here.

        paths: gives a path that begins with our own shard and has none of the shards it is told to
        avoid. It is asked at first, and again whenever a path broke: the answer then goes on where
        it was. salts: 32 bytes for each hop. on_text: gets pieces of the answer, each once.
        on_failure: gets the error of each path that broke. cancelled: asked about ten times a
        second. All four are called in this thread. deadline: on the clock of `time.monotonic`;
        with one, a request waits for a path while there is none, and without it fails.

        Raises `PromptError`, `PathInvalid`, `RunCancelled`; `CacheFull`,
        `DeadlinePassed`, `EntryClosed`; without a deadline also what `paths` raises and, when there
        is no path besides those that broke, the error of the last one.
        """
        self.check(token_ids)
        request = EntryRequest(
            request_id=request_id,
            prompt=token_ids,
            sampling=sampling,
            tokenizer=self._tokenizer,
            context_length=self._shard.architecture.context_length,
        )
        caller = _Caller(on_text, on_failure, cancelled, deadline)
        return self._answer(request, PathSearch(paths, self._identity.shard_id), salts, caller)

    def _answer(
        self, request: EntryRequest, search: PathSearch, salts: SaltOf, caller: _Caller
    ) -> Generation:
        """On one path after the other, until one holds."""
        while True:
            path = self._next_path(search, caller)
            try:
                run = EntryRun(request, self._bind(path, request.request_id), salts)
                request.take_path(path)
                # From now on, so that those who choose a path next see it.
                with self.measurements.counted(path[1:]):
                    return self._follow(run, caller)
            except PATH_FAILURES as error:
                search.failed(error, time.monotonic())
                caller.tell_failure(error)

    def _next_path(self, search: PathSearch, caller: _Caller) -> tuple[ShardId, ...]:
        while True:
            caller.check("a path", search.hindrance)
            path = search.path(time.monotonic())
            if path is not None:
                return path
            if self._engine.ended:
                raise EntryClosed
            if not caller.waits_for_paths() and search.hindrance is not None:
                raise search.hindrance
            self._engine.closing.wait(_POLL_SECONDS)

    def _bind(self, path: Sequence[ShardId], request_id: RequestId) -> RunBinding:
        layer_count = self._shard.architecture.layer_count
        peers = resolve_path(self._directory, path, layer_count)
        ours = (self._identity.shard_id, self._shard.layers)
        if (peers[0].shard_id, peers[0].layers) != ours:
            raise PathInvalid(f"does not begin with shard {ours[0]} for layers {ours[1]}")
        return RunBinding(request_id, self._identity.model_id, peers)

    def _follow(self, run: EntryRun, caller: _Caller) -> Generation:
        self._engine.begin(run)
        try:
            while True:
                try:
                    update = run.updates.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    update = ""
                caller.check("its answer")
                if isinstance(update, Generation):
                    return update
                if isinstance(update, Exception):
                    raise update
                if update:
                    caller.tell_text(update)
                if self._engine.ended and run.updates.empty():
                    raise EntryClosed
        finally:
            self._engine.leave(run)
