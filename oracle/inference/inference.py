# SPDX-License-Identifier: Apache-2.0
"""Runs a job on this entry, over as many paths as it takes.

Two ports hide the rest: `EntryRuntime` is the part of `shard_runtime.Entry` that computes, and
`PathSource` chooses the shards. The fail-over loop is in shard_runtime/engine/entry/failover.py.
Text and token ids stay in memory; errors and logs name kinds and numbers.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.inference.errors import (
    Blocker,
    InferenceStopped,
    JobCancelled,
    NoPath,
    NoPermittedPath,
    PromptNotRendered,
    PromptRejected,
    PromptTooLong,
)
from oracle.inference.job import Completion, InferenceJob
from shard_runtime import GenerationJob
from shard_runtime.engine.entry.path_search import (
    PATH_FAILURES,
    PathFailure,
    blamed_for,
    is_full,
    suspects_of,
)
from shard_runtime.errors import ChatTemplateExceeded, EntryClosed, PromptError, RunCancelled
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.path import ShardPair
from teetee.protocol.prompt import Message


class EntryRuntime(Protocol):
    """The part of `shard_runtime.Entry` that is used here; its package lists the errors."""

    def encode(self, messages: Sequence[dict[str, str]]) -> Sequence[int]:
        """Token ids by the model's chat template."""

    def check(self, token_ids: Sequence[int]) -> None:
        """Raises `PromptError` for a prompt that the model cannot read."""

    def generate(self, job: GenerationJob) -> Completion:
        """A completion, over as many paths as it takes."""


class PathSource(Protocol):
    """Chooses paths, and learns which shards failed."""

    def choose(
        self, *, avoiding: frozenset[ShardId], permits: Callable[[ShardId], bool], until: int
    ) -> Sequence[ShardId]:
        """A path from this entry over shards that `permits` accepts, preferably of shards attested
        `until` then (Unix seconds).

        Raises `NoPath`.
        """

    def record_failure(self, shards: Iterable[ShardId], pairs: Iterable[ShardPair] = ()) -> None:
        """These shards have failed a job, and one of each of these pairs."""


PATH_WAIT_SECONDS = 5.0
"""How long a job keeps its slot while there is no path: longer than a full stage is avoided."""
CLOSING_SECONDS = 2.0
"""An answer that runs out of time ends so long before, and by a few of its longest gaps."""
_CLOSING_GAPS = 3.0
MIN_TOKENS = 16
"""Or a quarter of those that were asked for: so many make an answer that is worth its prompt. A run
that has fewer when its time is over is cancelled, and costs nothing.
"""
_MAX_ATTEMPTS = 4096


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What the next attempt at a request has to know of one that failed."""

    involved: tuple[ShardId, ...] = ()
    """The shards of its runs."""
    blocker: Blocker = Blocker.CAPACITY


class Inference:
    """Runs jobs, each in its caller's thread."""

    def __init__(
        self,
        *,
        entry: EntryRuntime,
        paths: PathSource,
        abandon: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        """Running jobs end when `abandon` is set."""
        self._entry = entry
        self._paths = paths
        self._abandon = abandon
        self._log = log
        self._attempts: dict[RequestId, _Attempt] = {}
        """The last attempts at requests that wait for a path, the oldest request first."""
        self._lock = threading.Lock()

    def encode(self, messages: Sequence[Message]) -> Sequence[int]:
        """Token ids by the model's chat template. Raises `PromptRejected`, `PromptNotRendered`."""
        try:
            token_ids = self._entry.encode(
                [{"role": message.role, "content": message.content} for message in messages]
            )
            self._entry.check(token_ids)
        except ChatTemplateExceeded:
            raise PromptNotRendered from None
        except PromptError as error:
            raise PromptRejected(str(error)) from None
        return token_ids

    def require_permitted_path(self, permits: Callable[[ShardId], bool], until: int) -> None:
        """Raises `NoPermittedPath` if there is a path, and none over shards that `permits` accepts.
        `until`: when the job expires (Unix seconds).
        """
        try:
            self._paths.choose(avoiding=frozenset(), permits=permits, until=until)
        except NoPath as error:
            if _has_path(self._paths, frozenset(), until):
                raise NoPermittedPath(model_id=error.model_id, layers=error.layers) from None

    def run(self, job: InferenceJob, on_text: Callable[[str], None]) -> Completion:
        """Runs a job to its end. `on_text` receives pieces of the answer, each once.

        Raises:
            PromptRejected: the prompt is too long, or the model cannot read it.
            NoPath: there is none, at first or for `PATH_WAIT_SECONDS` after one broke.
            JobCancelled: the job's caller cancelled it.
            InferenceStopped: the process stops.
            Retryable: the runtime cannot run the job now.
        """
        if len(job.token_ids) > job.max_input_tokens:
            raise PromptTooLong(tokens=len(job.token_ids), limit=job.max_input_tokens)
        with self._lock:
            earlier = self._attempts.pop(job.request_id, _Attempt())
        choice = _PathChoice(self._paths, job, earlier, self._log)
        # The caller can wait for a path better than the runtime could.
        try:
            choice.choose(frozenset())
            return self._generate(job, choice, on_text)
        except RunCancelled:
            if self._abandon.is_set():
                raise InferenceStopped from None
            raise JobCancelled(choice.blocker) from None
        except PromptError as error:
            raise PromptRejected(str(error)) from None
        except EntryClosed:
            raise InferenceStopped from None
        except (NoPath, *PATH_FAILURES) as error:
            self._remember(job.request_id, choice)
            raise choice.reason_for(error) from None

    def _remember(self, request_id: RequestId, choice: "_PathChoice") -> None:
        with self._lock:
            self._attempts[request_id] = _Attempt(tuple(choice.involved), choice.blocker)
            while len(self._attempts) > _MAX_ATTEMPTS:
                del self._attempts[next(iter(self._attempts))]

    def _generate(
        self, job: InferenceJob, choice: "_PathChoice", on_text: Callable[[str], None]
    ) -> Completion:
        pace = _TextPace()

        def publish(piece: str) -> None:
            choice.on_progress()
            pace.on_piece()
            on_text(piece)

        max_tokens = min(job.sampling.max_tokens, job.max_output_tokens)
        return self._entry.generate(
            GenerationJob(
                token_ids=job.token_ids,
                sampling=replace(job.sampling, max_tokens=max_tokens),
                choose_path=choice.choose,
                request_id=job.request_id,
                salt_of=job.salt_of,
                max_answer_bytes=job.max_answer_bytes,
                on_text=publish,
                on_failure=choice.on_failure,
                is_cancelled=lambda: self._abandon.is_set() or job.is_cancelled(),
                is_time_to_end=lambda: job.seconds_left() <= pace.closing_seconds,
                min_tokens=min(MIN_TOKENS, math.ceil(max_tokens / 4)),
                deadline=math.inf,  # `is_cancelled` ends the job
                max_pathless_seconds=PATH_WAIT_SECONDS,
                earlier_shards=tuple(choice.involved),
            )
        )


def _has_path(paths: PathSource, avoiding: frozenset[ShardId], until: int) -> bool:
    """Whether there is one over any shards."""
    try:
        paths.choose(avoiding=avoiding, permits=lambda _: True, until=until)
    except NoPath:
        return False
    return True


class _TextPace:
    """How long a text needs to end: its next token, and a round for the receipts."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._longest_gap = 0.0

    @property
    def closing_seconds(self) -> float:
        return CLOSING_SECONDS + _CLOSING_GAPS * self._longest_gap

    def on_piece(self) -> None:
        now = time.monotonic()
        if self._last is not None:
            self._longest_gap = max(self._longest_gap, now - self._last)
        self._last = now


class _PathChoice:
    """The paths of one job. Shards that fail it are logged, and used last by other jobs too, unless
    its requester chose the shards: it could have put an honest one beside one that always fails.
    """

    def __init__(
        self,
        paths: PathSource,
        job: InferenceJob,
        earlier: _Attempt,
        log: FilteringBoundLogger,
    ) -> None:
        self.blocker = earlier.blocker
        """What the job lacks at present; until its path works, what it lacked before."""
        self.involved = dict.fromkeys(earlier.involved)
        """The shards of this request's runs, those of earlier attempts first."""
        self._chosen: Sequence[ShardId] = ()
        self._avoiding = frozenset[ShardId]()
        self._missing: NoPath | None = None
        """Why there is no path at present."""
        self._paths = paths
        self._job = job
        self._log = log

    def choose(self, avoiding: frozenset[ShardId]) -> Sequence[ShardId]:
        self._avoiding = avoiding
        try:
            path = self._paths.choose(
                avoiding=avoiding, permits=self._job.permits, until=self._job.expires_at
            )
        except NoPath as error:
            self._missing = error
            # If failed shards are avoided, their failure is the reason, and it is recorded already.
            if not avoiding:
                self.blocker = Blocker.PATH
            raise
        self._chosen, self._missing = path, None
        return path

    def reason_for(self, error: Exception) -> Exception:
        """What a job that found no path fails with: `NoPermittedPath` if the requester's own choice
        of shards leaves none now.
        """
        missing = self._missing
        if missing is None or self.blocker is not Blocker.PATH:
            return error
        if _has_path(self._paths, self._avoiding, self._job.expires_at):
            return NoPermittedPath(model_id=missing.model_id, layers=missing.layers)
        return missing

    def on_failure(self, error: PathFailure) -> None:
        self.involved |= dict.fromkeys(self._chosen)
        self.blocker = Blocker.CAPACITY if is_full(error) else Blocker.PATH
        blamed = blamed_for(error)
        if not self._job.names_shards:
            suspects = suspects_of(error)
            self._paths.record_failure(suspects.shards, suspects.pairs)
        peers = sorted(int(shard_id) for shard_id in blamed)
        self._log.warning(
            "path broke", request_id=int(self._job.request_id), peers=peers, error=error
        )

    def on_progress(self) -> None:
        """The path works: from now on the job lacks only time."""
        self.blocker = Blocker.CAPACITY
