# SPDX-License-Identifier: Apache-2.0
"""Decides which received frames reach the computing thread, in the threads that read links.

A peer's rows and receipts pass if they belong to one of its open runs. All its other frames
(openings, aborts, heartbeats, rows of runs that ended while they were on their way) are few: they
share one rate limit. A peer that sends more, or frames that are longer than their kind can be, is
refused: its links close, and its runs end. docs/protocol.md section 7.
"""

import threading
import time
from collections.abc import Callable

from shard_runtime.errors import PeerRefused
from shard_runtime.links.frames import (
    VERSION,
    Kind,
    RunId,
    first_run_of,
    kind_of,
    max_frame_bytes,
    run_of,
)

_HIDDEN, _VERSION = int(Kind.HIDDEN), VERSION[0]  # comparing enumerations takes longer
_BURST = 1000.0
_PER_SECOND = 200.0
"""Of a peer's frames that belong to none of its open runs."""
_MAX_PEERS = 4096
_LEFTOVER = 1.0
"""Seconds after a refusal in which a peer's frames can only be queued ones: it may not connect."""


class FrameGate:
    """`admit` is called by the reading threads, the rest by the computing thread."""

    def __init__(
        self,
        *,
        width: int,
        on_refused: Callable[[bytes], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """width: the numbers in a row. `on_refused` is called with the `tls` of a refused peer."""
        self._max_bytes = {int(kind): max_frame_bytes(kind, width) for kind in Kind}
        self._max_rows_bytes = self._max_bytes[_HIDDEN]
        self._on_refused = on_refused
        self._clock = clock
        self._senders: dict[RunId, bytes] = {}
        """Who sends the rows and receipts of each open run. Single operations on it are atomic."""
        self._offenders: dict[bytes, str] = {}
        self._refused_at: dict[bytes, float] = {}
        self._budgets: dict[bytes, tuple[float, float]] = {}
        """Peer → frames left, and when that was."""
        self._lock = threading.Lock()
        """Guards the budgets."""

    def admit(self, sender: bytes, body: bytes) -> None:
        """Raises `PeerRefused` for a frame that its sender may not send."""
        kind = kind_of(body)
        if (  # each token takes this way
            kind == _HIDDEN
            and self._senders.get(first_run_of(body)) == sender
            and body[0] == _VERSION
            and len(body) <= self._max_rows_bytes
            and not self._offenders
        ):
            return
        if (rule := self._offenders.pop(sender, None)) is not None:
            self._refuse(sender, rule)
        if body[:1] != VERSION or len(body) > self._max_bytes.get(kind, 0):
            self._refuse(sender, "sends a frame of no known kind, or a longer one than its kind is")
        run = first_run_of(body) if kind == Kind.HIDDEN else run_of(body)
        if kind in (Kind.HIDDEN, Kind.FINISH) and self._senders.get(run) == sender:
            return
        if not self._spend(sender):
            self._refuse(sender, "sends too many frames that belong to no run of its own")
        if kind == Kind.OPEN:
            self._senders.setdefault(run, sender)

    def expect(self, run: RunId, sender: bytes) -> None:
        """Let that peer send rows and receipts of a run."""
        self._senders[run] = sender

    def forget(self, run: RunId) -> None:
        """A run ended, or was not opened."""
        self._senders.pop(run, None)

    def report(self, sender: bytes, rule: str) -> bool:
        """A frame of that peer was malformed and named no run of it: refuse the next one. Returns
        whether this is news: not if the frame was queued before an earlier refusal.
        """
        is_known = sender in self._offenders or len(self._offenders) >= _MAX_PEERS
        if is_known or self._clock() - self._refused_at.get(sender, -_LEFTOVER) < _LEFTOVER:
            return False
        self._offenders[sender] = rule
        return True

    def _refuse(self, sender: bytes, rule: str) -> None:
        if len(self._refused_at) >= _MAX_PEERS:
            self._refused_at.clear()
        self._refused_at[sender] = self._clock()
        self._on_refused(sender)
        raise PeerRefused(rule)

    def _spend(self, sender: bytes) -> bool:
        now = self._clock()
        with self._lock:
            left, since = self._budgets.get(sender, (_BURST, now))
            left = min(_BURST, left + (now - since) * _PER_SECOND)
            if len(self._budgets) >= _MAX_PEERS and sender not in self._budgets:
                self._budgets.clear()
            self._budgets[sender] = (max(0.0, left - 1), now)
            return left >= 1
