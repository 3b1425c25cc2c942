# SPDX-License-Identifier: Apache-2.0
"""The text of running jobs, in memory and only while they run, for listeners that know a proof.

Texts are keyed by an opaque id. The job's thread appends; any number of listeners read, each from
the beginning. A piece never reaches a log, a file or an error. When a job ends or is run again, its
text is dropped; when only its path changes, the text goes on. Thread-safe.
"""

import hmac
import threading
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Piece:
    """More text."""

    text: str

    def __repr__(self) -> str:
        return "Piece(…)"


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete."""

    finish_reason: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The run ended without an answer; another run starts a new text."""


LiveEvent = Piece | Finished | Interrupted


class LiveText:
    """One run's text. The job calls `append` and `end`, listeners call `follow`."""

    def __init__(self, proof: bytes) -> None:
        self._proof = proof
        self._text = ""
        self._end: Finished | Interrupted | None = None
        self._changed = threading.Condition()

    def __repr__(self) -> str:
        return "LiveText(…)"

    def accepts(self, proof: bytes) -> bool:
        """Whether the proof is the right one, compared in constant time."""
        return hmac.compare_digest(self._proof, proof)

    def append(self, text: str) -> None:
        """Adds a piece."""
        with self._changed:
            self._text += text
            self._changed.notify_all()

    def end(self, event: Finished | Interrupted) -> None:
        """Ends the text: listeners get the pieces they have not read, then `event`."""
        with self._changed:
            self._end = self._end or event
            self._changed.notify_all()

    def follow(self, stop: threading.Event) -> Iterator[LiveEvent]:
        """The text so far as one piece, then new pieces, then the end. `stop` ends it early."""
        read = 0
        while not stop.is_set():
            with self._changed:
                if len(self._text) == read and self._end is None:
                    self._changed.wait(POLL_SECONDS)
                fresh, end = self._text[read:], self._end
            if fresh:
                read += len(fresh)
                yield Piece(fresh)
            elif end is not None:
                yield end
                return


class LiveTexts:
    """The texts of all running jobs, by id."""

    def __init__(self) -> None:
        self._running: dict[Hashable, LiveText] = {}
        self._lock = threading.Lock()

    def open(self, text_id: Hashable, proof: bytes) -> LiveText:
        """Starts a run's text; an earlier run's text of the same id is interrupted."""
        text = LiveText(proof)
        with self._lock:
            former = self._running.get(text_id)
            self._running[text_id] = text
        if former is not None:
            former.end(Interrupted())
        return text

    def find(self, text_id: Hashable) -> LiveText | None:
        """The text of that id, if its job runs."""
        with self._lock:
            return self._running.get(text_id)

    def close(self, text_id: Hashable, text: LiveText, event: Finished | Interrupted) -> None:
        """Ends `text` and removes it; listeners that have it still read to its end."""
        text.end(event)
        with self._lock:
            if self._running.get(text_id) is text:
                del self._running[text_id]
