# SPDX-License-Identifier: Apache-2.0
"""When declines must be sent, so that all of them are included before their deadlines.

Anyone can open many requests with one deadline. A transaction ends some of them, and only a few are
pending at once. So the primary's last moment for each request comes earlier, the more others are
due by then: the backlog divided by the throughput, which follows from how long declines take.

A decline ends a request for all of its recipients. So where others may answer, the last moment
comes at most `Timing.max_lead` before the deadline. What does not fit into that time is declined
before the second recipient's turn, so that none of them works for nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oracle.request.decision import Timing
from oracle.request.endings import DECLINES_IN_FLIGHT, MAX_DECLINES
from teetee.protocol.identifiers import RequestId

SAFE_SHARE = 0.25
"""Of the throughput that full batches would have: room for slow nodes and a busy machine."""
ASSUMED_SECONDS = 20.0
"""From the decision to the confirmation, until it is measured."""
MIN_SECONDS = 4.0
MAX_SECONDS = 60.0
"""More is not believed: a host can hold back confirmations for as long as it likes."""
MANY = 50
"""So many may be due while the last of them still waits for the margin: a flood slows the machine
that must end it, so its declines all come earlier by the time that two of them take."""
_DECAY = 0.95


@dataclass(frozen=True, slots=True)
class Due:
    """A request that this shard, its primary, must end. All times are chain time."""

    request_id: RequestId
    opened_at: int
    deadline: int
    second_turn: int | None = None
    """From when on another recipient may be at work; None: there is none."""


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
            self._seconds = min(max(measured, self._seconds * _DECAY, MIN_SECONDS), MAX_SECONDS)

    def forget(self, request_id: RequestId) -> None:
        """The request has ended."""
        self._sent.pop(request_id, None)

    def last_calls(self, requests: Iterable[Due], timing: Timing, now: int) -> dict[RequestId, int]:
        """When each request must be declined at the latest, in chain time: a margin before its
        deadline, and early enough for all that follow.
        """
        last_first = sorted(requests, key=lambda one: one.deadline, reverse=True)
        hurry = 2 * self._present_seconds() if len(last_first) > MANY else 0.0
        lead = timing.decline_margin + hurry
        step = 1 / self.per_second
        latest = latest_shared = float("inf")
        calls: dict[RequestId, int] = {}
        for due in last_first:
            earliest = due.deadline - timing.max_lead
            call = min(due.deadline - lead, latest)
            shared_call = min(max(due.deadline - lead, earliest), latest_shared)
            if due.second_turn is None:
                calls[due.request_id] = int(call)
            elif shared_call >= earliest:
                calls[due.request_id] = int(shared_call)
            else:  # no room: at once, or, if another may have begun, as early as that one allows
                calls[due.request_id] = due.opened_at if now < due.second_turn else earliest
                continue
            latest, latest_shared = call - step, shared_call - step
        return calls

    def _present_seconds(self) -> float:
        oldest = next(iter(self._sent.values()), self._clock())
        return min(max(self._seconds, self._clock() - oldest), MAX_SECONDS)
