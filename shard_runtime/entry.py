"""The entry: where prompts become answers. Text and token ids exist here and nowhere else on the
path.

This is the callers' side; `entry_engine` is the thread that computes.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from shard_runtime.attempt import Attempt
from shard_runtime.entry_engine import EntryEngine, EntrySettings
from shard_runtime.errors import (
    ContextOverflow,
    EntryClosed,
    PathInvalid,
    PeerUnknown,
    PromptEmpty,
    RunCancelled,
    StageSilent,
    TokenUnknown,
    TooManyRuns,
)
from shard_runtime.failover import Failover, PathChooser
from shard_runtime.generation import (
    Draft,
    Ended,
    Generation,
    PathChange,
    Suspicion,
    Update,
)
from shard_runtime.identity import StageIdentity
from shard_runtime.links.seam import Links
from shard_runtime.model.shard import Shard
from shard_runtime.model.tokenizer import ModelTokenizer
from shard_runtime.peers import PeerDirectory, resolve_path
from shard_runtime.receipts import RunBinding
from teetee.errors import FieldInvalid, PathError, Retryable, TeeTeeError
from teetee.identifiers import RequestId, ShardId
from teetee.prompt import Sampling

_POLL_SECONDS = 0.1
SALT_BYTES = 32

SaltOf = Callable[[int], bytes]
"""Hop → 32 bytes."""


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

    def round_trip(self, shard_id: ShardId) -> float | None:
        """To a stage and back, in s, as measured while a run used it; None: never."""
        return self._engine.round_trip(shard_id)

    def generate(
        self,
        token_ids: Sequence[int],
        *,
        sampling: Sampling,
        paths: PathChooser,
        request_id: RequestId,
        salt_of: SaltOf,
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        wait_seconds: float = 0.0,
    ) -> Generation:
        """Answer a prompt along a path that `paths` chooses, which begins with our own shard; when
        a stage is lost, go on along another. Blocks; for any number of threads.

        salt_of: of each hop, 0 to the number of stages. on_text: gets pieces of the answer, in this
        thread, each once. cancelled: asked about ten times a second. wait_seconds: how long another
        path may be waited for after a loss; the loss is raised then.
        Raises what `paths` raises at first; `PromptError`, `PathInvalid`, `PeerUnknown`,
        `StageMisbehaved`, `RunCancelled`; `CacheFull`, `TooManyRuns`, `StageFailed`, `StageSilent`,
        `EntryClosed`.
        """
        self.check(token_ids)
        draft = Draft(
            prompt=token_ids,
            sampling=sampling,
            tokenizer=self._tokenizer,
            context_length=self._shard.architecture.context_length,
        )
        if not self._callers.acquire(blocking=False):
            raise TooManyRuns(self._settings.runs)
        try:
            follower = _Follower(on_text, cancelled or (lambda: False), wait_seconds)
            return self._answer(
                draft, Failover(paths, self._identity.shard_id), follower, request_id, salt_of
            )
        finally:
            self._callers.release()

    def _answer(
        self,
        draft: Draft,
        failover: Failover,
        follower: "_Follower",
        request_id: RequestId,
        salt_of: SaltOf,
    ) -> Generation:
        """Attempt after attempt."""
        path = failover.choose()
        changes: list[PathChange] = []
        while True:
            try:
                binding = self._bind(path, request_id)
                salts = [_checked(salt_of(hop)) for hop in range(len(path) + 1)]
                attempt = Attempt(draft, binding=binding, salts=salts, changes=changes)
                return self._run(attempt, failover, follower)
            except TeeTeeError as error:
                lost = failover.take(error)
                path = failover.await_path(error, follower.until(), follower.gives_up)
            changes.append(PathChange(draft.positions, tuple(sorted(lost)), path))

    def _run(self, attempt: Attempt, failover: Failover, follower: "_Follower") -> Generation:
        self._engine.begin(attempt)
        try:
            return self._follow(attempt, failover, follower)
        finally:
            self._engine.leave(attempt)

    def _bind(self, path: Sequence[ShardId], request_id: RequestId) -> RunBinding:
        layer_count = self._shard.architecture.layer_count
        peers = resolve_path(self._directory, path, layer_count)
        ours = (self._identity.shard_id, self._shard.layers)
        if (peers[0].shard_id, peers[0].layers) != ours:
            raise PathInvalid(f"does not begin with shard {ours[0]} for layers {ours[1]}")
        return RunBinding(request_id, self._identity.model_id, peers)

    def _follow(self, attempt: Attempt, failover: Failover, follower: "_Follower") -> Generation:
        updates = attempt.draft.updates
        while True:
            try:
                update: Update = updates.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                update = ""
            if follower.cancelled():
                raise RunCancelled
            if isinstance(update, Ended) and update.run == attempt.id:
                if isinstance(update.outcome, Generation):
                    return update.outcome
                raise update.outcome
            if isinstance(update, Suspicion) and update.run == attempt.id:
                self._leave_the_silent(failover, update.shard_ids)
            elif isinstance(update, str) and update:
                follower.tell(update)
            if self._engine.ended and updates.empty():
                raise EntryClosed

    def _leave_the_silent(self, failover: Failover, silent: frozenset[ShardId]) -> None:
        """Where there is a path without them. Else they may only be slow, and are waited for.

        Raises `StageSilent` to take that path.
        """
        try:
            failover.choose(silent)
        except (Retryable, PathError, PathInvalid, PeerUnknown):
            return
        raise StageSilent(tuple(sorted(silent)), self._settings.beat_silent_seconds)


def _checked(salt: bytes) -> bytes:
    if len(salt) != SALT_BYTES:
        raise FieldInvalid("a salt", f"must be {SALT_BYTES} bytes")
    return salt


class _Follower:
    """Who waits for the answer."""

    def __init__(
        self,
        on_text: Callable[[str], None] | None,
        cancelled: Callable[[], bool],
        wait_seconds: float,
    ) -> None:
        self.cancelled = cancelled
        self._on_text = on_text
        self._wait_seconds = wait_seconds

    def tell(self, piece: str) -> None:
        if self._on_text is not None:
            self._on_text(piece)

    def until(self) -> float:
        """How long another path is waited for from now on."""
        return time.monotonic() + self._wait_seconds

    def gives_up(self) -> bool:
        return self.cancelled()
