# SPDX-License-Identifier: Apache-2.0
"""From an open request to its end: follows the stream, watches the escrow, opens the answer, takes
the money back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from teetee.chain.contract_errors import RefundTooEarly, RequestNotOpen
from teetee.chain.errors import LogMissing
from teetee.chain.transactions.sender import Sender
from teetee.chain.types.requests import Declined, Ended, Refunded, Request, RequestStatus, Settled
from teetee.client.contracts import Contracts
from teetee.client.requests.live_answer import LiveAnswer, StreamEntry
from teetee.client.requests.open_request import OpenRequest
from teetee.errors import Retryable, TeeTeeError
from teetee.protocol.answer import Answer
from teetee.protocol.envelope import open_answer
from teetee.protocol.identifiers import RequestId

# The stream's last pieces come with the settlement, or not at all.
STREAM_GRACE_SECONDS = 1.0
CLOCK_TOLERANCE_SECONDS = 5
# How long a node may stay away before the caller gets to decide; nothing is lost by that.
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 3.0

T = TypeVar("T")


@dataclass(frozen=True)
class Answered:
    """A request that was settled, and its answer, decrypted from the chain."""

    request_id: int
    answer: Answer
    settled: Settled
    request: Request
    streamed: str = field(repr=False)
    """What the stream brought; it counts for nothing."""
    stream_complete: bool

    @property
    def usage_agrees(self) -> bool:
        """Whether the answer names the token counts that were paid for."""
        paid = (self.settled.input_tokens, self.settled.output_tokens)
        return (self.answer.input_tokens, self.answer.output_tokens) == paid

    @property
    def stream_agrees(self) -> bool | None:
        """Whether the stream brought the chain's answer, as far as it came; None: it brought
        nothing.
        """
        if not self.streamed and not self.stream_complete:
            return None
        if self.stream_complete:
            return self.streamed == self.answer.text
        return self.answer.text.startswith(self.streamed)


@dataclass(frozen=True)
class GivenBack:
    """A request that ended without an answer; everything came back."""

    request_id: int
    request: Request
    ended: Declined | Refunded


Outcome = Answered | GivenBack


@dataclass(frozen=True)
class Listener:
    """Who is told what while waiting. `on_text` may be None: then nothing is streamed."""

    on_text: Callable[[str], None] | None
    on_warning: Callable[[str], None]


class Waiter:
    """Waits for requests of one escrow."""

    def __init__(
        self,
        contracts: Contracts,
        sender: Sender,
        *,
        poll_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._contracts = contracts
        self._sender = sender
        self._poll_seconds = poll_seconds
        self._sleep = sleep
        self._clock = clock

    def wait(self, opened: OpenRequest, listener: Listener) -> Outcome:
        """Until the request has ended one way or the other; after the deadline, by a refund.

        Raises `AnswerUndecryptable`, `AnswerInvalid`; a node that does not answer is asked again.
        """
        request = self._contracts.escrow.request_of(opened.request_id)
        live = self._listen(opened, request, listener)
        settled = False
        try:
            request = self._until_ended(request, listener)
            settled = request.status is RequestStatus.SETTLED
        finally:
            streamed = live.stop(STREAM_GRACE_SECONDS if settled else 0) if live else ""
        ended = self._patiently(lambda: self._ended(request), listener)
        if not isinstance(ended, Settled):
            return GivenBack(int(opened.request_id), request, ended)
        answer = open_answer(ended.answer, opened.secret, opened.context, opened.request_id)
        complete = live is not None and live.complete
        return Answered(int(opened.request_id), answer, ended, request, streamed, complete)

    def _listen(
        self, opened: OpenRequest, request: Request, listener: Listener
    ) -> LiveAnswer | None:
        if listener.on_text is None or request.status is not RequestStatus.OPEN:
            return None
        try:
            entries = self._entries(request)
        except TeeTeeError as error:
            listener.on_warning(f"No live stream: {error}")
            return None
        live = LiveAnswer(
            entries,
            request_id=opened.request_id,
            proof=opened.secret.stream_proof(opened.context, opened.request_id),
            on_text=listener.on_text,
            on_warning=listener.on_warning,
        )
        live.start()
        return live

    def _entries(self, request: Request) -> list[StreamEntry]:
        # Chain time and this machine's may differ: what counts is how long from now it is.
        ahead = self._clock() - self._contracts.connection.head().timestamp
        shards = [self._contracts.registry.shard(shard_id) for shard_id in request.recipients]
        return [
            StreamEntry(shard.endpoint, shard.keyset.tls, request.takeover_at(index) + ahead)
            for index, shard in enumerate(shards)
        ]

    def _until_ended(self, request: Request, listener: Listener) -> Request:
        request_id = request.request_id
        while request.status is RequestStatus.OPEN:
            if not (self._is_late(request) and self._refunded(request, listener)):
                self._sleep(self._poll_seconds)
            request = self._patiently(lambda: self._read(request_id), listener)
        return request

    def _is_late(self, request: Request) -> bool:
        # A chain without blocks, as a test chain is between transactions, has an old head.
        if self._clock() > request.deadline + CLOCK_TOLERANCE_SECONDS:
            return True
        return self._contracts.connection.head().timestamp > request.deadline

    def _refunded(self, request: Request, listener: Listener) -> bool:
        """Calls for the refund; false: it is too early, by the chain's clock."""
        listener.on_warning("The deadline has passed without an answer: taking the deposit back.")
        try:
            self._sender.send(self._contracts.escrow.refund(request.request_id))
        except RefundTooEarly:
            return False
        except RequestNotOpen:
            pass  # somebody else was faster; how it ended is read next
        return True

    def _read(self, request_id: RequestId) -> Request:
        return self._contracts.escrow.request_of(request_id)

    def _ended(self, request: Request) -> Ended:
        ended = self._contracts.history.ended(request)
        if ended is None:
            raise LogMissing(f"end of request {request.request_id}", 0)
        return ended

    def _patiently(self, read: Callable[[], T], listener: Listener) -> T:
        """Reads again while the node does not answer, for some time."""
        begun = self._clock()
        while True:
            try:
                return read()
            except Retryable as error:
                if self._clock() - begun > PATIENCE_SECONDS:
                    raise
                listener.on_warning(str(error))
                self._sleep(RETRY_SECONDS)
