# SPDX-License-Identifier: Apache-2.0
"""Follows a request in a thread, so that the test can act meanwhile: processes belong to the main
one.
"""

from __future__ import annotations

import threading

from teetee.client.requests.await_answer import Outcome
from teetee.client.requests.open_request import OpenRequest
from tests.system.asking import Asking

SECONDS = 60.0


class Waiting:
    """For one request's end, hearing its text as it is made."""

    def __init__(self, asking: Asking, opened: OpenRequest) -> None:
        self._asking = asking
        self._opened = opened
        self._said: list[str] = []
        self._heard = threading.Condition()
        self._outcome: list[Outcome] = []
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    @property
    def said(self) -> str:
        """The text so far."""
        return "".join(self._said)

    def until_text_comes(self, pieces: int = 1) -> None:
        """The model is at work, and so many pieces of its answer are here."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self._said) >= pieces, SECONDS), "no text came"

    def outcome(self) -> Outcome:
        """How the request ended."""
        self._thread.join(SECONDS)
        (outcome,) = self._outcome
        return outcome

    def _wait(self) -> None:
        self._outcome.append(self._asking.wait(self._opened, on_text=self._hear))

    def _hear(self, piece: str) -> None:
        with self._heard:
            self._said.append(piece)
            self._heard.notify_all()
