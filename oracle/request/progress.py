# SPDX-License-Identifier: Apache-2.0
"""Where each request of this process stands: the life cycle applied, for the log and the status
report. Memory only."""

import threading
from collections import Counter

from oracle.request.lifecycle import ENDS, Event, State, advance
from teetee.protocol.identifiers import RequestId


class Progress:
    """Thread-safe. A request is known from `begin` until it ends."""

    def __init__(self) -> None:
        self._states: dict[RequestId, State] = {}
        self._ended: Counter[State] = Counter()
        self._lock = threading.Lock()

    def begin(self, request_id: RequestId) -> None:
        """A step starts: the request is known from now on, where it was not."""
        with self._lock:
            self._states.setdefault(request_id, State.WAITING)

    def note(self, request_id: RequestId, event: Event) -> None:
        """Raises `IllegalTransition` and changes nothing when the event cannot happen now."""
        with self._lock:
            state = advance(self._states.get(request_id, State.WAITING), event)
            if state in ENDS:
                # Counted and forgotten: if a reorganisation brings it back, it begins again.
                self._states.pop(request_id, None)
                self._ended[state] += 1
            else:
                self._states[request_id] = state

    def state(self, request_id: RequestId) -> State | None:
        """None: not known, or ended."""
        with self._lock:
            return self._states.get(request_id)

    def counts(self) -> dict[str, int]:
        """How many requests are in each state now, or came to each end since the start."""
        with self._lock:
            present = Counter(self._states.values()) + self._ended
            return {state.value: present[state] for state in State}
