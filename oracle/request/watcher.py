# SPDX-License-Identifier: Apache-2.0
"""Reads this shard's requests from contract state, once for each block, for all who wait.

It needs no events, so none can be missed. One call lists the ids of this shard's open requests,
whatever else is open. Only ids that are new or have vanished from the list are read: a request
changes in nothing but its status. So a look costs what has changed, however many are open. After a
reorganisation, which the hash of the last look's block reveals, all are read again.

The sweep at the finalized block advances the id at which the reads start, and deletes answers whose
requests have ended for good. At the safe block, a reorganisation could still open them again.
"""

from collections.abc import Callable, Mapping

from oracle.chain.heads import Heads
from oracle.chain.ports import Blocks, EscrowReader
from oracle.request.dispatcher import Look
from oracle.request.journal import Journal
from teetee.chain.errors import NoContract
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import Request, RequestStatus
from teetee.protocol.identifiers import RequestId, ShardId


class Watcher:
    """One loop calls `poll`, another `prune_finalised`."""

    def __init__(
        self,
        *,
        blocks: Blocks,
        reader: EscrowReader,
        heads: Heads,
        journal: Journal,
        shard_id: ShardId,
        confirmations: int,
        on_look: Callable[[Look], None],
    ) -> None:
        """`confirmations`: blocks required on top of a request before it is worked on."""
        self._blocks = blocks
        self._reader = reader
        self._heads = heads
        self._journal = journal
        self._shard_id = shard_id
        self._confirmations = confirmations
        self._on_look = on_look
        self._last: Look | None = None
        self._pruned_up_to = RequestId(0)  # every request of ours up to this one has ended for good

    def poll(self) -> None:
        """Reads what is open. A block that was read before is not read again. Raises `Retryable` if
        the node fails.
        """
        head = self._heads.current()
        if self._last is None or self._last.at != head:
            requests = self._read(head)
            self._last = Look(head, requests, self._confirmed_time(head, requests))
        self._on_look(self._last)

    def prune_finalised(self) -> None:
        """Deletes answers whose requests had ended at the finalized block. Raises `Retryable`."""
        finalized = self._blocks.finalized()
        try:
            self._prune(finalized)
        except NoContract:
            # On a young chain the finalized block is older than the contracts. If the address is
            # wrong, `poll` reports it.
            return

    def _prune(self, finalized: Block) -> None:
        answered = self._journal.request_ids()
        open_ids = self._reader.open_ids(self._shard_id, after=self._pruned_up_to, at=finalized)
        found = self._reader.requests_by_id(answered, at=finalized) if answered else {}
        self._journal.delete(
            number for number, one in found.items() if one.status is not RequestStatus.OPEN
        )
        count = self._reader.request_count(at=finalized)
        self._pruned_up_to = RequestId(min([count, *(number - 1 for number in open_ids)]))

    def _read(self, head: Block) -> dict[RequestId, Request]:
        """The open requests, and how those ended that were open at the last look."""
        open_ids = set(self._reader.open_ids(self._shard_id, after=self._pruned_up_to, at=head))
        before = self._open_before()
        unchanged = open_ids & before.keys() if self._is_built_on_last(head) else set[RequestId]()
        kept = {number: before[number] for number in unchanged}
        changed = (open_ids | before.keys()) - unchanged
        read = self._reader.requests_by_id(changed, at=head) if changed else {}
        return dict(sorted((kept | dict(read)).items()))

    def _is_built_on_last(self, head: Block) -> bool:
        """Whether the last look's block is still part of the chain."""
        if self._last is None or head.number <= self._last.at.number:
            return False
        return self._blocks.at(self._last.at.number) == self._last.at

    def _open_before(self) -> dict[RequestId, Request]:
        requests = {} if self._last is None else self._last.requests
        return {number: one for number, one in requests.items() if one.status is RequestStatus.OPEN}

    def _confirmed_time(self, head: Block, requests: Mapping[RequestId, Request]) -> int:
        """The time of the newest block that has enough blocks on top. A request is in it, or in a
        block before it, if it was opened by then: blocks' times increase.
        """
        if self._confirmations == 0 or not requests:
            return head.timestamp
        number = head.number - self._confirmations
        confirmed = self._blocks.at(number) if number >= 0 else None
        return -1 if confirmed is None else confirmed.timestamp
