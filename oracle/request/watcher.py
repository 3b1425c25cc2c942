# SPDX-License-Identifier: Apache-2.0
"""Reads this shard's requests from contract state, once for each block, for all who wait.

It needs no events, so none can be missed. One call shows all open requests of this shard, whatever
else is open, with the state of those that are held; another one is made when there are new ones.
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
            requests = self._reader.requests(
                self._shard_id, after=self._pruned_up_to, known=self._open_before(), at=head
            )
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
        requests = self._reader.requests(
            self._shard_id, after=self._pruned_up_to, known=answered, at=finalized
        )
        still_open = [
            number for number, one in requests.items() if one.status is RequestStatus.OPEN
        ]
        self._journal.delete(
            number for number in answered if number in requests and number not in still_open
        )
        count = self._reader.request_count(at=finalized)
        self._pruned_up_to = RequestId(min([count, *(number - 1 for number in still_open)]))

    def _open_before(self) -> list[RequestId]:
        """Those that were open at the last look: how they ended is of interest."""
        requests = {} if self._last is None else self._last.requests
        return [number for number, one in requests.items() if one.status is RequestStatus.OPEN]

    def _confirmed_time(self, head: Block, requests: Mapping[RequestId, Request]) -> int:
        """The time of the newest block that has enough blocks on top. A request is in it, or in a
        block before it, if it was opened by then: blocks' times increase.
        """
        if self._confirmations == 0 or not requests:
            return head.timestamp
        number = head.number - self._confirmations
        confirmed = self._blocks.at(number) if number >= 0 else None
        return -1 if confirmed is None else confirmed.timestamp
