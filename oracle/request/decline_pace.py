# SPDX-License-Identifier: Apache-2.0
"""When declines must be sent, so that all of them are included before their deadlines.

Anyone can open many requests with one deadline. A transaction ends some of them, and only a few are
pending at once. So the primary's last moment for each request comes earlier, the more others are
due by then: the backlog divided by the throughput, which follows from how long declines take.
"""

from collections.abc import Callable, Iterable

from oracle.request.endings import DECLINES_IN_FLIGHT, MAX_DECLINES
from teetee.protocol.identifiers import RequestId

SAFE_SHARE = 0.25
"""Of the throughput that full batches would have: room for slow nodes and a busy machine."""
ASSUMED_SECONDS = 20.0
"""From the decision to the confirmation, until it is measured."""
MIN_SECONDS = 4.0
MANY = 50
"""So many may be due while the last of them still waits for the margin: a flood slows the machine
that must end it, so its declines all come earlier by the time that two of them take."""
_DECAY = 0.95


class DeclinePace:
    """Used by the dispatcher's thread alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in s."""
        self._clock = clock
        self._seconds = ASSUMED_SECONDS
        self._sent: dict[RequestId, float] = {}
        """Declines without confirmation, the oldest first."""

    @property
    def per_second(self) -> float:
        """Declines per second that are safe to expect, by the latest and by the oldest one that is
        not confirmed yet.
        """
        return SAFE_SHARE * DECLINES_IN_FLIGHT * MAX_DECLINES / self._present_seconds()

    def on_sent(self, request_id: RequestId) -> None:
        """A decline was handed over. Counts from the first attempt."""
        self._sent.setdefault(request_id, self._clock())

    def on_confirmed(self, request_id: RequestId) -> None:
        """It is included."""
        sent_at = self._sent.pop(request_id, None)
        if sent_at is not None:
            measured = self._clock() - sent_at
            self._seconds = max(measured, self._seconds * _DECAY, MIN_SECONDS)

    def forget(self, request_id: RequestId) -> None:
        """The request has ended."""
        self._sent.pop(request_id, None)

    def last_calls(
        self, deadlines: Iterable[tuple[RequestId, int]], margin: int
    ) -> dict[RequestId, int]:
        """When each request must be declined at the latest, in chain time: `margin` seconds before
        its deadline, and early enough for all that follow.
        """
        last_first = sorted(deadlines, key=lambda one: one[1], reverse=True)
        lead = margin + (2 * self._present_seconds() if len(last_first) > MANY else 0.0)
        step = 1 / self.per_second
        latest = float("inf")
        calls: dict[RequestId, int] = {}
        for request_id, deadline in last_first:
            latest = min(deadline - lead, latest)
            calls[request_id] = int(latest)
            latest -= step
        return calls

    def _present_seconds(self) -> float:
        oldest = next(iter(self._sent.values()), self._clock())
        return max(self._seconds, self._clock() - oldest)
