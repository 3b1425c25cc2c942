# SPDX-License-Identifier: Apache-2.0
"""Finds the requests which are this shard's, from contract state: no event can be missed, because
none is needed.

Each look pages through the open requests from the lowest one that may still be open; the sweep at
the safe block moves that mark, checks what has ended here once more, and forgets what is final. A
request that a reorganisation reopened is taken up again.
"""

from collections.abc import Iterator
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.chain.ports import Blocks, EscrowReader
from oracle.request.decision import Facts, Timing, Wait, decide
from oracle.request.journal import Standing
from teetee.chain.connection import Block
from teetee.chain.errors import NoContract
from teetee.chain.types.requests import Request, RequestStatus
from teetee.protocol.identifiers import RequestId, ShardId

PAGE = 200


class Held(Protocol):
    """What is used of the journal."""

    def start(self, request_id: RequestId) -> None: ...
    def again(self, request_id: RequestId, *, from_start: bool) -> None: ...
    def standing(self, request_id: RequestId) -> Standing: ...
    def held(self) -> int: ...
    def over(self) -> list[RequestId]: ...
    def forget(self, request_id: RequestId) -> None: ...


class Watcher:
    """`look` and `close_books` are called by one loop each."""

    def __init__(
        self,
        *,
        blocks: Blocks,
        reader: EscrowReader,
        heads: Heads,
        journal: Held,
        shard_id: ShardId,
        confirmations: int,
        most: int,
        timing: Timing,
        log: FilteringBoundLogger,
    ) -> None:
        """`confirmations`: blocks on top of a request before it is taken; `most`: requests held."""
        self._blocks = blocks
        self._reader = reader
        self._heads = heads
        self._journal = journal
        self._shard_id = shard_id
        self._confirmations = confirmations
        self._most = most
        self._timing = timing
        self._log = log
        self._mark = RequestId(0)  # all requests up to here have ended for good

    def look(self) -> None:
        """Takes up what is open and due. Raises `Retryable` when the chain cannot be read."""
        head = self._heads.current()
        at = self._confirmed(head)
        if at is None:
            return
        room = self._most - self._journal.held()
        for request_id in self._open(at):
            if room <= 0:
                # Oldest first; the rest is found again at the next look.
                self._log.warning("no room for more requests", count=self._most)
                return
            # As it is now: what has ended since is not open again.
            request = self._reader.request(request_id, at=head)
            if request is not None and self._is_due(request, head):
                room -= self._take(request_id)

    def close_books(self) -> None:
        """Forgets what ended for good at the safe block. Raises `Retryable`."""
        safe = self._blocks.safe()
        try:
            self._close_until(safe)
        except NoContract:
            # A young chain's safe block is older than the contracts. At a wrong address, `look`
            # says so.
            return

    def _close_until(self, safe: Block) -> None:
        for request_id in self._journal.over():
            request = self._reader.request(request_id, at=safe)
            if request is not None and request.status is not RequestStatus.OPEN:
                self._journal.forget(request_id)
        first_open = next(self._open(safe), None)
        if first_open is None:
            self._mark = self._reader.request_count(at=safe)
        else:
            self._mark = RequestId(first_open - 1)

    def _confirmed(self, head: Block) -> Block | None:
        if self._confirmations == 0:
            return head
        number = head.number - self._confirmations
        return None if number < 0 else self._blocks.at(number)

    def _open(self, at: Block) -> Iterator[RequestId]:
        cursor: RequestId | None = self._mark
        while cursor is not None:
            page, cursor = self._reader.open_requests(after=cursor, limit=PAGE, at=at)
            yield from page

    def _is_due(self, request: Request, head: Block) -> bool:
        if self._shard_id not in request.recipients or request.status is not RequestStatus.OPEN:
            return False
        facts = Facts(now=head.timestamp, shard_id=self._shard_id)
        return not isinstance(decide(request, facts, self._timing), Wait)

    def _take(self, request_id: RequestId) -> int:
        """How many places it takes."""
        match self._journal.standing(request_id):
            case Standing.HELD:
                return 0
            case Standing.ABSENT:
                self._log.info("request taken", request_id=int(request_id))
                self._journal.start(request_id)
            case Standing.ENDED:
                # It had ended and is open again: what was made for it is posted again.
                self._log.warning("request reopened", request_id=int(request_id))
                self._journal.again(request_id, from_start=False)
            case Standing.VANISHED | Standing.FAILED:
                self._log.warning("request begun anew", request_id=int(request_id))
                self._journal.again(request_id, from_start=True)
        return 1
