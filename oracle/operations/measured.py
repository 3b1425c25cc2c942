# SPDX-License-Identifier: Apache-2.0
"""A request's life in numbers: the dispatcher's observer, and ports that wrap the real ones and add
nothing but numbers. What grows with a prompt or an answer is counted when its run has ended.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from oracle.chain.ports import EscrowWriter
from oracle.inference.errors import NoPath
from oracle.inference.inference import EntryRuntime
from oracle.inference.job import Completion
from oracle.operations.metrics import Metrics
from oracle.records import Answered, Opening, Outcome
from oracle.request.answer_pool import Answerer
from oracle.request.dispatcher import Dispatcher
from oracle.request.journal import Journal
from oracle.request.request_work import Progress
from shard_runtime import GenerationJob
from shard_runtime.engine.entry.path_search import PathFailure, blamed_for
from teetee.chain.types.requests import DeclineReason, RequestStatus
from teetee.errors import Retryable
from teetee.protocol.identifiers import RequestId


class RequestMeter:
    """Implements `oracle.request.dispatcher.Observer`; the ports below share it. Thread-safe."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.metrics = metrics
        self.clock = clock

    def on_started(self, waited_seconds: float) -> None:
        """A request has a slot, after so long in the queue."""
        self.metrics.observe("queue_seconds", waited_seconds)

    def on_ended(self, status: RequestStatus) -> None:
        """A request is open no more."""
        self.metrics.increase("requests_ended", outcome=status.name.lower())


def expose_requests(
    metrics: Metrics, dispatcher: Dispatcher, journal: Journal
) -> Callable[[], None]:
    """A source of the requests in work."""

    def read() -> None:
        counts: Counter[Progress] = dispatcher.count_by_progress()
        for progress in Progress:
            metrics.set("requests_in_work", counts[progress], state=progress.value)
        metrics.set("journal_failing", int(journal.is_failing))

    return read


class MeasuredAnswerer:
    """Implements `oracle.request.answer_pool.Answerer`."""

    def __init__(self, answerer: Answerer, meter: RequestMeter) -> None:
        self._answerer = answerer
        self._meter = meter

    def screen(self, opening: Opening) -> Outcome | None:
        """See `Answerer`."""
        return self._answerer.screen(opening)

    def answer(
        self,
        opening: Opening,
        *,
        give_up: Callable[[], bool],
        seconds_left: Callable[[], float],
    ) -> Outcome:
        """See `Answerer`."""
        try:
            return self._answerer.answer(opening, give_up=give_up, seconds_left=seconds_left)
        except Exception as error:
            reason = "retryable" if isinstance(error, Retryable) else "unexpected"
            reason = "no_path" if isinstance(error, NoPath) else reason
            self._meter.metrics.increase("answer_attempts_failed", reason=reason)
            raise


class MeasuredWriter:
    """Implements `oracle.chain.ports.EscrowWriter`."""

    def __init__(self, writer: EscrowWriter, meter: RequestMeter) -> None:
        self._writer = writer
        self._meter = meter

    def settle(self, answers: Sequence[Answered]) -> str:
        """See `EscrowWriter`."""
        return self._writer.settle(answers)

    def decline(self, request_ids: Sequence[RequestId], reason: DeclineReason) -> str:
        """See `EscrowWriter`."""
        transaction = self._writer.decline(request_ids, reason)
        self._meter.metrics.increase("refusals", len(request_ids), reason=reason.name.lower())
        return transaction

    def refund(self, request_id: RequestId) -> str:
        """See `EscrowWriter`."""
        return self._writer.refund(request_id)


class MeasuredRuntime:
    """Implements `oracle.inference.inference.EntryRuntime`."""

    def __init__(self, runtime: EntryRuntime, meter: RequestMeter) -> None:
        self._runtime = runtime
        self._meter = meter

    def encode(self, messages: Sequence[dict[str, str]]) -> Sequence[int]:
        """See `EntryRuntime`."""
        return self._runtime.encode(messages)

    def check(self, token_ids: Sequence[int]) -> None:
        """See `EntryRuntime`."""
        self._runtime.check(token_ids)

    def generate(self, job: GenerationJob) -> Completion:
        """See `EntryRuntime`."""
        run = _Run(job, self._meter)
        measured = replace(job, on_text=run.on_text, on_failure=run.on_failure)
        completion = self._runtime.generate(measured)
        run.on_completed(completion)
        return completion


class _Run:
    def __init__(self, job: GenerationJob, meter: RequestMeter) -> None:
        self._job = job
        self._meter = meter
        self._started_at = meter.clock()
        self._first_at: float | None = None

    def on_text(self, piece: str) -> None:
        if self._first_at is None:
            self._first_at = self._meter.clock()
        if self._job.on_text is not None:
            self._job.on_text(piece)

    def on_failure(self, error: PathFailure) -> None:
        for shard_id in blamed_for(error):
            self._meter.metrics.increase("path_failures", peer=int(shard_id))
        if self._job.on_failure is not None:
            self._job.on_failure(error)

    def on_completed(self, completion: Completion) -> None:
        metrics, seconds = self._meter.metrics, self._meter.clock() - self._started_at
        if self._first_at is not None:
            metrics.observe("time_to_first_token_seconds", self._first_at - self._started_at)
        metrics.increase("tokens", completion.input_tokens, kind="input")
        metrics.increase("tokens", completion.output_tokens, kind="output")
        if seconds > 0:
            metrics.observe("tokens_per_second", completion.output_tokens / seconds)
