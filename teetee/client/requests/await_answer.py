# SPDX-License-Identifier: Apache-2.0
"""Waits for an open request to end: follows the stream, polls the escrow, decrypts the answer, or
claims the refund.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from teetee.chain.contract_errors import RefundTooEarly, RequestNotOpen
from teetee.chain.errors import LogMissing
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
    request = contracts.escrow.request_of(opened.request_id)
    live = wait.follow_stream(opened, request)
    is_settled = False
    try:
        request = wait.until_ended(request)
        is_settled = request.status is RequestStatus.SETTLED
    finally:
        streamed = live.stop(STREAM_GRACE_SECONDS if is_settled else 0) if live else ""
    ended = wait.read_ending(request)
    if not isinstance(ended, RequestSettled):
        return Unanswered(int(opened.request_id), request, ended)
    answer = open_answer(ended.answer, opened.secret, opened.context, opened.request_id)
    is_complete = live is not None and live.complete
    return Answered(int(opened.request_id), answer, ended, request, streamed, is_complete)


@dataclass(frozen=True)
class _Wait:
    """What the steps of one `await_answer` share."""

    contracts: Contracts
    sender: TransactionSender
    callbacks: AnswerCallbacks
    poll_seconds: float

    def follow_stream(self, opened: OpenRequest, request: Request) -> LiveAnswer | None:
        on_text = self.callbacks.on_text
        if on_text is None or request.status is not RequestStatus.OPEN:
            return None
        try:
            entries = self._stream_entries(request)
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

    def until_ended(self, request: Request) -> Request:
        """Poll until the request is no longer open; return it as it is then."""
        request_id = request.request_id
        while request.status is RequestStatus.OPEN:
            if not (self._is_late(request) and self._try_refund(request)):
                time.sleep(self.poll_seconds)
            request = self._retry(lambda: self._read(request_id))
        return request

    def read_ending(self, request: Request) -> RequestEnd:
        return self._retry(lambda: self._ending_of(request))

    def _stream_entries(self, request: Request) -> list[StreamEntry]:
        # The chain's clock and this machine's may differ.
        offset = time.time() - self.contracts.connection.head().timestamp
        shards = [self.contracts.registry.shard(shard_id) for shard_id in request.recipients]
        return [
            StreamEntry(shard.endpoint, shard.keyset.tls, request.takeover_at(index) + offset)
            for index, shard in enumerate(shards)
        ]

    def _is_late(self, request: Request) -> bool:
        # An idle chain, as a test chain is between transactions, has an old head.
        if time.time() > request.deadline + CLOCK_TOLERANCE_SECONDS:
            return True
        return self.contracts.connection.head().timestamp > request.deadline

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

    def _read(self, request_id: RequestId) -> Request:
        return self.contracts.escrow.request_of(request_id)

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
