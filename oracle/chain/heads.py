# SPDX-License-Identifier: Apache-2.0
"""The chain's blocks, and the newest one tracked for the whole process: the only clock for
deadlines and expiries.

The host owns the network. If it cuts the nodes off, an evicted peer could stay connected for ever,
so a view without progress expires after `stale_after` seconds of this machine's monotonic clock.
Progress is a block above all earlier ones, also above those before a restart. Nodes that invent a
whole chain together are not detected here: see docs/trust.md.
"""

import threading
from collections.abc import Callable

from oracle.chain.highest_head import HighestHead
from oracle.chain.ports import Blocks
from oracle.errors import HeadIsStale, HeadWentBack, WrongChainNow
from teetee.chain.connection import Connection
from teetee.chain.errors import BlockUnknown
from teetee.chain.types.blocks import Block


class ChainBlocks:
    """Implements `Blocks` over a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def chain_id(self) -> int:
        """Asks the node each time: the node behind a URL can change."""
        return self._connection.served_chain_id()

    def head(self) -> Block:
        """The newest block."""
        return self._connection.head()

    def finalized(self) -> Block:
        """The newest block that the chain calls finalized."""
        return self._connection.finalized_head()

    def at(self, number: int) -> Block | None:
        """The block of that number, or None when the node has no such block."""
        try:
            return self._connection.block(number)
        except BlockUnknown:
            return None

    def block_hash(self, number: int) -> bytes | None:
        """32 bytes, or None when the node has no such block."""
        block = self.at(number)
        return None if block is None else block.hash


class Heads:
    """The newest block. One loop calls `poll`; any thread may call the rest."""

    def __init__(
        self,
        *,
        blocks: Blocks,
        chain_id: int,
        stale_after: float,
        clock: Callable[[], float],
        highest: HighestHead | None = None,
    ) -> None:
        """`stale_after` in s, 0 for never; `clock` is monotonic, in s; `highest`: from earlier
        runs.
        """
        self._blocks = blocks
        self._highest = highest or HighestHead()
        self._chain_id = chain_id
        self._stale_after = stale_after
        self._clock = clock
        self._newest: Block | None = None
        self._progress_at = clock()
        self._lock = threading.Lock()

    def poll(self) -> Block:
        """Asks the node for the newest block.

        Raises:
            WrongChainNow: the node answers for another chain.
            HeadWentBack: its newest block is older than one seen before.

        The previous view then stays until it is stale.
        """
        found = self._blocks.chain_id()
        if found != self._chain_id:
            raise WrongChainNow(expected=self._chain_id, found=found)
        block = self._blocks.head()
        highest = self._highest.number
        if block.number < highest:
            raise HeadWentBack(found=block.number, highest=highest)
        with self._lock:
            former, self._newest = self._newest, block
            # Another block of the same height is a reorganisation: believed, but no progress.
            if former is None or block.number > highest or self._stale_after == 0:
                self._progress_at = self._clock()
        if block.number > highest:
            self._highest.raise_to(block.number)
        return block

    def current(self) -> Block:
        """The newest block seen.

        Raises:
            HeadIsStale: no block has been seen, or no new one for too long.
        """
        with self._lock:
            age = self._clock() - self._progress_at
            if self._newest is None or (self._stale_after and age > self._stale_after):
                raise HeadIsStale(age=int(age), limit=int(self._stale_after))
            return self._newest

    def age(self) -> float:
        """Seconds since another block was seen."""
        with self._lock:
            return self._clock() - self._progress_at
