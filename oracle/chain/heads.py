# SPDX-License-Identifier: Apache-2.0
"""The newest block, watched once for everybody; the only clock that deadlines and expiries are
judged by.

The node is the host's choice. A node that stops to tell new blocks would keep an evicted peer alive
for ever, so a view without progress is not believed after `stale_after` seconds of this machine's
steady clock. A node that invents a whole chain is not detected here: docs/trust.md.
"""

import threading
from collections.abc import Callable

from oracle.chain.ports import Blocks
from oracle.errors import HeadIsStale, WrongChainNow
from teetee.chain.connection import Block


class Heads:
    """`poll` is called by one loop, the rest by anybody."""

    def __init__(
        self,
        *,
        blocks: Blocks,
        chain_id: int,
        stale_after: float,
        clock: Callable[[], float],
    ) -> None:
        """`stale_after` in s, 0 for never; `clock` counts seconds and never goes back."""
        self._blocks = blocks
        self._chain_id = chain_id
        self._stale_after = stale_after
        self._clock = clock
        self._newest: Block | None = None
        self._progress_at = clock()
        self._changed = threading.Condition()

    def poll(self) -> Block:
        """Asks the node.

        Raises:
            WrongChainNow: the node speaks for another chain; the former view stays until it is
            stale.
        """
        found = self._blocks.chain_id()
        if found != self._chain_id:
            raise WrongChainNow(expected=self._chain_id, found=found)
        block = self._blocks.head()
        with self._changed:
            former, self._newest = self._newest, block
            # A shorter chain with other blocks is a reorganisation and counts as progress.
            if former is None or former.hash != block.hash or self._stale_after == 0:
                self._progress_at = self._clock()
                self._changed.notify_all()
        return block

    def current(self) -> Block:
        """The newest block.

        Raises:
            HeadIsStale: there was none, or none newer for too long.
        """
        with self._changed:
            age = self._clock() - self._progress_at
            if self._newest is None or (self._stale_after and age > self._stale_after):
                raise HeadIsStale(age=int(age), limit=int(self._stale_after))
            return self._newest

    def wait_for_change(self, seconds: float) -> None:
        """Until another block is seen, at most `seconds`."""
        with self._changed:
            self._changed.wait(seconds)

    def wake(self) -> None:
        """Lets all waiters look again, for a quick stop."""
        with self._changed:
            self._changed.notify_all()
