"""The entry: where prompts become answers. Text and token ids exist here and nowhere else on the
path.

This is the callers' side; `entry_engine` is the thread that computes.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence

from shard_runtime.entry_engine import EntryEngine, EntrySettings
from shard_runtime.errors import (
    ContextOverflow,
    EntryClosed,
    PathInvalid,
    PromptEmpty,
    RunCancelled,
    TokenUnknown,
    TooManyRuns,
)
from shard_runtime.generation import EntryRun, Generation
from shard_runtime.identity import StageIdentity
from shard_runtime.links.seam import Links
from shard_runtime.model.shard import Shard
from shard_runtime.model.tokenizer import ModelTokenizer
from shard_runtime.peers import PeerDirectory, resolve_path
from shard_runtime.receipts import RunBinding
from teetee.errors import FieldInvalid
from teetee.identifiers import RequestId, ShardId
from teetee.prompt import Sampling

_POLL_SECONDS = 0.1


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
        self._settings = settings or EntrySettings()
        self._callers = threading.BoundedSemaphore(self._settings.runs)
        self._engine = EntryEngine(
            shard=shard, identity=identity, links=links, settings=self._settings
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
        """End what is open with `EntryClosed`, then the thread and the links."""
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
        path: Sequence[ShardId],
        request_id: RequestId,
        salts: Sequence[bytes],
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Generation:
        """Answer a prompt along `path`, which begins with our own shard. Blocks; for any number of
        threads.

        salts: 32 bytes for each hop from 0 to len(path). on_text: gets pieces of the answer, in
        this thread. cancelled: asked about ten times a second.
        Raises `PromptError`, `PathInvalid`, `PeerUnknown`, `StageMisbehaved`, `RunCancelled`;
        `CacheFull`, `TooManyRuns`, `StageFailed`, `StageSilent`, `EntryClosed`.
        """
        self.check(token_ids)
        if len(salts) != len(path) + 1 or any(len(salt) != 32 for salt in salts):
            raise FieldInvalid("salts", f"must be {len(path) + 1} times 32 bytes")
        run = EntryRun(
            prompt=token_ids,
            binding=self._bind(path, request_id),
            salts=salts,
            sampling=sampling,
            tokenizer=self._tokenizer,
            context_length=self._shard.architecture.context_length,
        )
        if not self._callers.acquire(blocking=False):
            raise TooManyRuns(self._settings.runs)
        try:
            self._engine.begin(run)
            return self._follow(run, on_text, cancelled)
        finally:
            self._engine.leave(run)
            self._callers.release()

    def _bind(self, path: Sequence[ShardId], request_id: RequestId) -> RunBinding:
        layer_count = self._shard.architecture.layer_count
        peers = resolve_path(self._directory, path, layer_count)
        ours = (self._identity.shard_id, self._shard.layers)
        if (peers[0].shard_id, peers[0].layers) != ours:
            raise PathInvalid(f"does not begin with shard {ours[0]} for layers {ours[1]}")
        return RunBinding(request_id, self._identity.model_id, peers)

    def _follow(
        self,
        run: EntryRun,
        on_text: Callable[[str], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> Generation:
        while True:
            try:
                update = run.updates.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                update = ""
            if cancelled is not None and cancelled():
                raise RunCancelled
            if isinstance(update, Generation):
                return update
            if isinstance(update, Exception):
                raise update
            if update and on_text is not None:
                on_text(update)
            if self._engine.ended and run.updates.empty():
                raise EntryClosed
