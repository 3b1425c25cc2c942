# SPDX-License-Identifier: Apache-2.0
"""Follows a request in a thread, while the test acts: processes belong to the main thread."""

from __future__ import annotations

import threading

from teetee.client.requests.await_answer import Outcome
from teetee.client.requests.open_request import OpenRequest
from tests.system.requester import Requester

SECONDS = 60.0


class FollowedRequest:
    """Waits for one request's outcome and collects its streamed text."""

    def __init__(self, requester: Requester, opened: OpenRequest) -> None:
        self._requester = requester
        self._opened = opened
        self._pieces: list[str] = []
        self._changed = threading.Condition()
        self._outcome: list[Outcome] = []
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    def wait_for_text(self, pieces: int = 1) -> None:
        """Wait until the answer is in progress, with that many pieces of it received."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._pieces) >= pieces, SECONDS), "no text"

    def outcome(self) -> Outcome:
        """Wait for the request's outcome."""
        self._thread.join(SECONDS)
        (outcome,) = self._outcome
        return outcome

    def _wait(self) -> None:
        self._outcome.append(self._requester.wait(self._opened, on_text=self._add))

    def _add(self, piece: str) -> None:
        with self._changed:
            self._pieces.append(piece)
            self._changed.notify_all()
