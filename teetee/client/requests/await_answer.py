# SPDX-License-Identifier: Apache-2.0
"""Waits for an open request to end: follows the stream, polls the escrow, decrypts the answer, or
claims the refund.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from teetee.chain.contract_errors import RefundTooEarly, RequestNotOpen
from teetee.chain.errors import LogMissing
from teetee.chain.read_batch import Moment
from teetee.chain.transactions.poll_pauses import poll_pauses
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.requests import (
    Request,
    RequestDeclined,
    RequestEnd,
    RequestRefunded,
    RequestSettled,
    RequestStatus,
)
from teetee.client.contracts import Contracts
from teetee.client.requests.live_answer import LiveAnswer, StreamEntry
from teetee.client.requests.open_request import OpenRequest
from teetee.errors import Retryable, TeeTeeError
from teetee.protocol.answer import Answer
from teetee.protocol.envelope import open_answer
from teetee.protocol.identifiers import RequestId

# The stream's last text arrives with the settlement, or not at all.
STREAM_GRACE_SECONDS = 1.0
CLOCK_TOLERANCE_SECONDS = 5
# How long reads are retried before the caller gets the error; the request can be resumed.
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 3.0
# While the answer is generated, one look at the chain costs the node more than it tells.
FIRST_STREAM_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class Answered:
    """A settled request and its answer, decrypted from the chain."""

    request_id: int
    answer: Answer
    settled: RequestSettled
    request: Request
    streamed: str = field(repr=False)
    """The text of the live stream; informative only."""
    stream_complete: bool

    @property
    def usage_agrees(self) -> bool:
        """Whether the answer names the token counts that were paid for."""
        paid = (self.settled.input_tokens, self.settled.output_tokens)
        return (self.answer.input_tokens, self.answer.output_tokens) == paid

    @property
    def stream_agrees(self) -> bool | None:
        """Whether the streamed text is the chain's answer, or a beginning of it if the stream
        ended early; None: nothing was streamed.
        """
        if not self.streamed and not self.stream_complete:
            return None
        if self.stream_complete:
            return self.streamed == self.answer.text
        return self.answer.text.startswith(self.streamed)


@dataclass(frozen=True)
class Unanswered:
    """A request that ended without an answer; the whole deposit is refunded."""

    request_id: int
    request: Request
    ended: RequestDeclined | RequestRefunded


Outcome = Answered | Unanswered


@dataclass(frozen=True)
class AnswerCallbacks:
    """Called while the request is open. `on_text` None: no stream is opened."""

    on_text: Callable[[str], None] | None
    on_warning: Callable[[str], None]


def await_answer(
    opened: OpenRequest,
    contracts: Contracts,
    sender: TransactionSender,
    callbacks: AnswerCallbacks,
    *,
    poll_seconds: float,
) -> Outcome:
    """Wait until the request has ended; after its deadline, call for the refund.

    Raises `AnswerUndecryptable`, `AnswerInvalid`. Retries for `PATIENCE_SECONDS` while the node
    does not answer, then raises its error; the request can be resumed.
    """
    wait = _Wait(contracts, sender, callbacks, poll_seconds)
    seen = wait.look(opened.request_id)
    live = wait.follow_stream(opened, seen)
    is_settled = False
    try:
        seen = wait.until_ended(seen, live)
        is_settled = seen.request.status is RequestStatus.SETTLED
    finally:
        streamed = live.stop(STREAM_GRACE_SECONDS if is_settled else 0) if live else ""
    request, ended = seen.request, wait.read_ending(seen)
    if not isinstance(ended, RequestSettled):
        return Unanswered(int(opened.request_id), request, ended)
    answer = open_answer(ended.answer, opened.secret, opened.context, opened.request_id)
    is_complete = live is not None and live.complete
    return Answered(int(opened.request_id), answer, ended, request, streamed, is_complete)


@dataclass(frozen=True)
class _Seen:
    """A request as it was at a block."""

    request: Request
    at: Moment
    open_at: int | None = None
    """The newest block at which it was seen open; None: it was not."""


@dataclass(frozen=True)
class _Wait:
    """What the steps of one `await_answer` share."""

    contracts: Contracts
    sender: TransactionSender
    callbacks: AnswerCallbacks
    poll_seconds: float

    def look(self, request_id: RequestId) -> _Seen:
        batch = self.contracts.connection.batch(with_moment=True)
        request = self.contracts.escrow.request_in(batch, request_id)()
        is_open = request.status is RequestStatus.OPEN
        return _Seen(request, batch.moment, batch.moment.block_number if is_open else None)

    def follow_stream(self, opened: OpenRequest, seen: _Seen) -> LiveAnswer | None:
        on_text = self.callbacks.on_text
        if on_text is None or seen.request.status is not RequestStatus.OPEN:
            return None
        try:
            entries = self._stream_entries(opened, seen)
        except TeeTeeError as error:
            self.callbacks.on_warning(f"No live stream: {error}")
            return None
        live = LiveAnswer(
            entries,
            request_id=opened.request_id,
            proof=opened.secret.stream_proof(opened.context, opened.request_id),
            on_text=on_text,
            on_warning=self.callbacks.on_warning,
        )
        live.start()
        return live

    def until_ended(self, seen: _Seen, live: LiveAnswer | None) -> _Seen:
        """Poll until the request is no longer open; return it as it is then.

        The end of the stream comes just before that of the request; until then, the chain is
        polled less and less often.
        """
        pauses = self._pauses(live)
        was_complete = False
        while seen.request.status is RequestStatus.OPEN:
            if live is not None and live.complete and not was_complete:
                was_complete, pauses = True, poll_pauses(self.poll_seconds, LONGEST_PAUSE_SECONDS)
            if not (self._is_late(seen) and self._try_refund(seen.request)):
                self._pause(min(next(pauses), self._until_late(seen)), live)
            request_id, open_at = seen.request.request_id, seen.open_at
            seen = self._retry(lambda: self.look(request_id))  # noqa: B023 - called at once
            seen = replace(seen, open_at=seen.open_at or open_at)
        return seen

    def read_ending(self, seen: _Seen) -> RequestEnd:
        """From the blocks since it was seen open, if the node has its event there."""
        history, request = self.contracts.history, seen.request
        if seen.open_at is not None:
            between = (seen.open_at + 1, seen.at.block_number)
            for pause in (self.poll_seconds, 2 * self.poll_seconds, None):
                found = self._retry(lambda: history.end_in(request, between))
                if found is not None:
                    return found
                if pause is not None:
                    time.sleep(pause)  # a node may know a block before its events
        return self._retry(lambda: self._ending_of(request))

    def _pauses(self, live: LiveAnswer | None) -> Iterator[float]:
        if live is None:
            return poll_pauses(self.poll_seconds, LONGEST_PAUSE_SECONDS)
        return poll_pauses(
            max(self.poll_seconds, FIRST_STREAM_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS
        )

    def _pause(self, seconds: float, live: LiveAnswer | None) -> None:
        if live is None or live.complete:
            time.sleep(seconds)
        else:
            live.wait(seconds)

    def _until_late(self, seen: _Seen) -> float:
        """Seconds until it may be refunded; not less than a usual pause."""
        left = seen.request.deadline + CLOCK_TOLERANCE_SECONDS - time.time()
        return max(left, self.poll_seconds)

    def _stream_entries(self, opened: OpenRequest, seen: _Seen) -> list[StreamEntry]:
        # The chain's clock and this machine's may differ.
        offset = time.time() - seen.at.timestamp
        request = seen.request
        shards = opened.recipients or self.contracts.registry.shards(request.recipients)
        return [
            StreamEntry(shard.endpoint, shard.keyset.tls, request.takeover_at(index) + offset)
            for index, shard in enumerate(shards)
        ]

    def _is_late(self, seen: _Seen) -> bool:
        # An idle chain, as a test chain is between transactions, has an old head.
        deadline = seen.request.deadline
        return time.time() > deadline + CLOCK_TOLERANCE_SECONDS or seen.at.timestamp > deadline

    def _try_refund(self, request: Request) -> bool:
        """Call for the refund; False: too early by the chain's clock."""
        self.callbacks.on_warning("The deadline has passed without an answer: claiming the refund.")
        try:
            self.sender.send(self.contracts.escrow.refund(request.request_id))
        except RefundTooEarly:
            return False
        except RequestNotOpen:
            pass  # another transaction was first; the next read shows how the request ended
        return True

    def _ending_of(self, request: Request) -> RequestEnd:
        ended = self.contracts.history.ended(request)
        if ended is None:
            raise LogMissing(f"end of request {request.request_id}", 0)
        return ended

    def _retry(self, read: Callable[[], T]) -> T:
        """Repeat a read while the node does not answer, for up to `PATIENCE_SECONDS`."""
        started = time.time()
        while True:
            try:
                return read()
            except Retryable as error:
                if time.time() - started > PATIENCE_SECONDS:
                    raise
                self.callbacks.on_warning(str(error))
                time.sleep(RETRY_SECONDS)
