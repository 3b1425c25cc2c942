# SPDX-License-Identifier: Apache-2.0
"""The text of running requests, in memory and only while they run, for whoever proves that he knows
`k`.

Thread-safe: the request's worker appends, any number of listeners read, each from the beginning. A
piece is never written to a log, a file or an error. When a request ends, or is begun anew, its text
is dropped; another path goes on with it.
"""

import hmac
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from teetee.protocol.identifiers import RequestId

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Piece:
    """More text."""

    text: str

    def __repr__(self) -> str:
        return "Piece(…)"


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole."""

    finish_reason: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The run broke off; if another follows, it begins a new text."""


LiveEvent = Piece | Finished | Interrupted


class LiveText:
    """One run's text. `append` and `finish` are the writer's, `follow` the readers'."""

    def __init__(self, proof: bytes) -> None:
        self._proof = proof
        self._text = ""
        self._end: Finished | Interrupted | None = None
        self._changed = threading.Condition()

    def __repr__(self) -> str:
        return "LiveText(…)"

    def proved_by(self, proof: bytes) -> bool:
        """Whether `proof` shows knowledge of `k`; takes the same time for every wrong proof."""
        return hmac.compare_digest(self._proof, proof)

    def append(self, text: str) -> None:
        """Adds a piece."""
        with self._changed:
            self._text += text
            self._changed.notify_all()

    def end(self, event: Finished | Interrupted) -> None:
        """No more text; readers get what they lack, then `event`."""
        with self._changed:
            self._end = self._end or event
            self._changed.notify_all()

    def follow(self, stop: threading.Event) -> Iterator[LiveEvent]:
        """The text so far as one piece, then pieces as they come, then the end. Ends silently when
        `stop` is set.
        """
        seen = 0
        while not stop.is_set():
            with self._changed:
                if len(self._text) == seen and self._end is None:
                    self._changed.wait(POLL_SECONDS)
                fresh, end = self._text[seen:], self._end
            if fresh:
                seen += len(fresh)
                yield Piece(fresh)
            elif end is not None:
                yield end
                return


class LiveTexts:
    """All requests that run now."""

    def __init__(self) -> None:
        self._running: dict[RequestId, LiveText] = {}
        self._lock = threading.Lock()

    def open(self, request_id: RequestId, proof: bytes) -> LiveText:
        """Begins a run's text; a former run of the same request is interrupted."""
        text = LiveText(proof)
        with self._lock:
            former = self._running.get(request_id)
            self._running[request_id] = text
        if former is not None:
            former.end(Interrupted())
        return text

    def find(self, request_id: RequestId) -> LiveText | None:
        """The running request's text."""
        with self._lock:
            return self._running.get(request_id)

    def close(self, request_id: RequestId, text: LiveText, event: Finished | Interrupted) -> None:
        """Ends `text` and forgets it; readers who hold it still read to its end."""
        text.end(event)
        with self._lock:
            if self._running.get(request_id) is text:
                del self._running[request_id]
