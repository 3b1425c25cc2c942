# SPDX-License-Identifier: Apache-2.0
"""Posts how requests end: answers, declines and refunds, each kind in batches of its own.

Neither kinds nor batches wait for each other: a settlement that is not confirmed delays no decline,
and no other settlement. Nodes keep at least 16 pending transactions of an account.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import EscrowReader, EscrowWriter
from oracle.errors import HeadIsStale, OracleRetryable, Rejected
from oracle.records import Answered, Opening
from oracle.request.batch_sender import BatchSender
from teetee.chain.types.requests import DeclineReason
from teetee.protocol.identifiers import RequestId

# Keeps a batch far below the gas limit of one transaction (2^24 on Base), answers of 64 KiB
# included.
MAX_BATCH_BYTES = 96 * 1024
MAX_SETTLEMENTS = 20
MAX_DECLINES = 200
RISKY_SECONDS = 8
"""A decline whose deadline is nearer may be included too late, which reverts its whole batch."""

# Batches in flight; together below 16.
SETTLEMENTS_IN_FLIGHT = 8
DECLINES_IN_FLIGHT = 4
REFUNDS_IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class AnswerEnding:
    """An answer to post."""

    opening: Opening
    answered: Answered

    @property
    def request_id(self) -> RequestId:
        return self.answered.request_id


@dataclass(frozen=True, slots=True)
class DeclineEnding:
    """A request to decline."""

    request_id: RequestId
    reason: DeclineReason
    deadline: int
    """Unix seconds."""
    is_primary: bool = True
    """Whether this shard's bond answers for the request."""


@dataclass(frozen=True, slots=True)
class RefundEnding:
    """A request whose deadline has passed."""

    request_id: RequestId


Ending = AnswerEnding | DeclineEnding | RefundEnding


class RequestReplaced(Rejected):
    """After a reorganisation, the number belongs to another request."""

    def __init__(self) -> None:
        super().__init__(action="settle", reason="the number belongs to another request now")


class DeclineTooLate(OracleRetryable):
    """The deadline has passed before the decline could be sent."""

    def __init__(self) -> None:
        super().__init__("its deadline has passed; it is refunded after the grace.")


class Endings:
    """`submit` returns at once; `done` gets the result, in the thread of a loop."""

    def __init__(
        self,
        *,
        reader: EscrowReader,
        writer: EscrowWriter,
        heads: Heads,
        done: Callable[[Ending, str | Exception], None],
        window: float,
        abandon: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        """`window` in s: how long the first ending of a batch waits for others."""
        self._reader = reader
        self._writer = writer
        self._heads = heads
        self._log = log
        self._settlements: BatchSender[AnswerEnding] = BatchSender(
            self._settle, done, choose=choose_settlements, window=window, abandon=abandon
        )
        self._declines: BatchSender[DeclineEnding] = BatchSender(
            self._decline, done, choose=self._choose_declines, window=window, abandon=abandon
        )
        self._refunds: BatchSender[RefundEnding] = BatchSender(
            self._refund, done, choose=lambda batch: batch[:1], window=0.0, abandon=abandon
        )

    def submit(self, ending: Ending) -> None:
        """Posts it soon."""
        match ending:
            case AnswerEnding():
                self._settlements.submit(ending)
            case DeclineEnding():
                self._declines.submit(ending)
            case RefundEnding():
                self._refunds.submit(ending)

    def tasks(self) -> dict[str, Callable[[], None]]:
        """What the loops run, by name."""
        kinds: tuple[tuple[str, Callable[[], None], int], ...] = (
            ("settle", self._settlements.run_once, SETTLEMENTS_IN_FLIGHT),
            ("decline", self._declines.run_once, DECLINES_IN_FLIGHT),
            ("refund", self._refunds.run_once, REFUNDS_IN_FLIGHT),
        )
        return {
            f"{name}-{number}": run_once
            for name, run_once, in_flight in kinds
            for number in range(in_flight)
        }

    def _settle(self, batch: Sequence[AnswerEnding]) -> str:
        self._require_same(batch)
        transaction = self._writer.settle([one.answered for one in batch])
        self._note("settled", batch, transaction)
        return transaction

    def _decline(self, batch: Sequence[DeclineEnding]) -> str:
        reason = batch[0].reason
        if min(one.deadline for one in batch) < self._now():
            raise DeclineTooLate
        transaction = self._writer.decline([one.request_id for one in batch], reason)
        self._note("declined", batch, transaction, reason=reason.name)
        return transaction

    def _choose_declines(self, ready: Sequence[DeclineEnding]) -> Sequence[DeclineEnding]:
        return choose_declines(ready, self._now())

    def _now(self) -> int:
        """Chain time; 0 while it is unknown."""
        try:
            return self._heads.current().timestamp
        except HeadIsStale:
            return 0

    def _refund(self, batch: Sequence[RefundEnding]) -> str:
        transaction = self._writer.refund(batch[0].request_id)
        self._note("refunded", batch, transaction)
        return transaction

    def _require_same(self, batch: Sequence[AnswerEnding]) -> None:
        # After a reorganisation, the number can belong to another request that looks the same. Its
        # requester could not read this answer, but would pay for it.
        first = min(one.opening.block_number for one in batch)
        requests = [one.opening.request for one in batch]
        present = self._reader.openings(requests, first_block=first, at=self._heads.current())
        contexts = {opening.request_id: opening.context for opening in present}
        for one in batch:
            if contexts.get(one.request_id, one.opening.context) != one.opening.context:
                raise RequestReplaced

    def _note(self, event: str, batch: Sequence[Ending], transaction: str, **facts: object) -> None:
        numbers = [int(one.request_id) for one in batch]
        self._log.info(event, request_ids=numbers, transaction=transaction, **facts)


def choose_settlements(ready: Sequence[AnswerEnding]) -> Sequence[AnswerEnding]:
    """As many from the front as fit into one transaction; at least one."""
    total = 0
    for count, one in enumerate(ready[:MAX_SETTLEMENTS]):
        total += len(one.answered.answer)
        if count and total > MAX_BATCH_BYTES:
            return ready[:count]
    return ready[:MAX_SETTLEMENTS]


def choose_declines(ready: Sequence[DeclineEnding], now: int) -> Sequence[DeclineEnding]:
    """The most urgent one, and those that may share its transaction: of the same reason, and none
    that may be too late with others that are not, unless all have one deadline.
    """
    ordered = sorted(ready, key=lambda one: (not one.is_primary, one.deadline))
    first = ordered[0]

    def may_share(one: DeclineEnding) -> bool:
        nearest = min(one.deadline, first.deadline)
        is_safe = nearest > now + RISKY_SECONDS or one.deadline == first.deadline
        return one.reason is first.reason and is_safe

    return [one for one in ordered if may_share(one)][:MAX_DECLINES]
