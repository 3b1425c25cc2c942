# SPDX-License-Identifier: Apache-2.0
"""Finds this shard's requests from contract state. It needs no events, so none can be missed.

Each poll pages through the open requests, starting at the lowest id that may still be open. The
sweep at the safe block advances that start, checks finished requests once more, and deletes those
whose end is final. A request that a reorganisation reopens is started again.
"""

from collections.abc import Iterator
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import Blocks, EscrowReader
from oracle.request.decision import Facts, Timing, Wait, decide
from oracle.request.journal import JournalStatus
from teetee.chain.errors import NoContract
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import Request, RequestStatus
from teetee.protocol.identifiers import RequestId, ShardId

PAGE = 200


class RequestJournal(Protocol):
    """The part of `Journal` that the watcher uses; see there."""

    def start(self, request_id: RequestId) -> None: ...
    def restart(self, request_id: RequestId, *, from_start: bool) -> None: ...
    def status(self, request_id: RequestId) -> JournalStatus: ...
    def active_count(self) -> int: ...
    def finished(self) -> list[RequestId]: ...
    def delete(self, request_id: RequestId) -> None: ...


class Watcher:
    """One loop calls `poll`, another `prune_finalised`."""

    def __init__(
        self,
        *,
        blocks: Blocks,
        reader: EscrowReader,
        heads: Heads,
        journal: RequestJournal,
        shard_id: ShardId,
        confirmations: int,
        max_active_requests: int,
        timing: Timing,
        log: FilteringBoundLogger,
    ) -> None:
        """`confirmations`: blocks required on top of a request before it is started."""
        self._blocks = blocks
        self._reader = reader
        self._heads = heads
        self._journal = journal
        self._shard_id = shard_id
        self._confirmations = confirmations
        self._max_active_requests = max_active_requests
        self._timing = timing
        self._log = log
        self._pruned_up_to = RequestId(0)  # every request up to this one has ended for good

    def poll(self) -> None:
        """Starts the requests that are open and due. Raises `Retryable` if the node fails."""
        head = self._heads.current()
        at = self._confirmed(head)
        if at is None:
            return
        free = self._max_active_requests - self._journal.active_count()
        for request_id in self._open_requests(at):
            if free <= 0:
                # Oldest first; the next poll finds the others again.
                self._log.warning("journal is full", count=self._max_active_requests)
                return
            # Read at the head: a request that has ended since is not open again.
            request = self._reader.request(request_id, at=head)
            if request is not None and self._is_due(request, head):
                free -= self._start(request_id)

    def prune_finalised(self) -> None:
        """Deletes the requests whose end is final at the safe block. Raises `Retryable`."""
        safe = self._blocks.safe()
        try:
            self._prune(safe)
        except NoContract:
            # On a young chain the safe block is older than the contracts. If the address is wrong,
            # `poll` reports it.
            return

    def _prune(self, safe: Block) -> None:
        for request_id in self._journal.finished():
            request = self._reader.request(request_id, at=safe)
            if request is not None and request.status is not RequestStatus.OPEN:
                self._journal.delete(request_id)
        first_open = next(self._open_requests(safe), None)
        if first_open is None:
            self._pruned_up_to = self._reader.request_count(at=safe)
        else:
            self._pruned_up_to = RequestId(first_open - 1)

    def _confirmed(self, head: Block) -> Block | None:
        if self._confirmations == 0:
            return head
        number = head.number - self._confirmations
        return None if number < 0 else self._blocks.at(number)

    def _open_requests(self, at: Block) -> Iterator[RequestId]:
        cursor: RequestId | None = self._pruned_up_to
        while cursor is not None:
            page, cursor = self._reader.open_requests(after=cursor, limit=PAGE, at=at)
            yield from page

    def _is_due(self, request: Request, head: Block) -> bool:
        if self._shard_id not in request.recipients or request.status is not RequestStatus.OPEN:
            return False
        facts = Facts(now=head.timestamp, shard_id=self._shard_id)
        return not isinstance(decide(request, facts, self._timing), Wait)

    def _start(self, request_id: RequestId) -> int:
        """Starts or restarts a request, unless it is active. Returns how many were started."""
        match self._journal.status(request_id):
            case JournalStatus.ACTIVE:
                return 0
            case JournalStatus.ABSENT:
                self._log.info("request started", request_id=int(request_id))
                self._journal.start(request_id)
            case JournalStatus.ENDED:
                # It had ended and is open again: its outcome is posted again.
                self._log.warning("request reopened", request_id=int(request_id))
                self._journal.restart(request_id, from_start=False)
            case JournalStatus.VANISHED | JournalStatus.FAILED:
                self._log.warning("request restarted", request_id=int(request_id))
                self._journal.restart(request_id, from_start=True)
        return 1
