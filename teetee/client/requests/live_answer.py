# SPDX-License-Identifier: Apache-2.0
"""Follows an answer while it is made: in a thread, over whichever entry is at work, without ever
failing the request.

Entries take over from each other (protocol, section 6), and each stream begins at the start of the
answer, so text already shown is compared and not shown twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from teetee.client.errors import StreamRefused
from teetee.client.requests.answer_stream import Done, read_stream
from teetee.errors import TeeTeeError
from teetee.protocol.endpoint import Endpoint

RETRY_SECONDS = 0.5
STOP_SECONDS = 2.0


@dataclass(frozen=True)
class StreamEntry:
    """An entry recipient of the request, and the Unix time from which it may be at work."""

    endpoint: str
    tls: bytes
    begins_at: float


class LiveAnswer:
    """`start`, `text`, `stop`. `on_text` and `on_warning` are called from the thread."""

    def __init__(
        self,
        entries: Sequence[StreamEntry],
        *,
        request_id: int,
        proof: bytes,
        on_text: Callable[[str], None],
        on_warning: Callable[[str], None],
    ) -> None:
        self._entries = tuple(entries)
        self._request_id = request_id
        self._proof = proof
        self._on_text = on_text
        self._on_warning = on_warning
        self._shown = ""
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="teetee-stream", daemon=True)

    @property
    def text(self) -> str:
        """What was shown so far."""
        return self._shown

    @property
    def complete(self) -> bool:
        """Whether an entry said that the answer is whole."""
        return self._finished.is_set()

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self, grace: float = 0.0) -> str:
        """End, after up to `grace` seconds for the last pieces; returns the text shown."""
        self._finished.wait(grace)
        self._stop.set()
        # A connection that is just being made may hold it longer; it does no harm any more.
        self._thread.join(STOP_SECONDS)
        return self._shown

    def _follow(self) -> None:
        warned: set[str] = set()
        while not self._stop.is_set() and not self._finished.is_set():
            for index in range(len(self._entries)):
                if self._stop.is_set() or self._finished.is_set():
                    return
                if time.time() >= self._entries[index].begins_at:
                    self._try(index, warned)
            self._stop.wait(RETRY_SECONDS)

    def _try(self, index: int, warned: set[str]) -> None:
        entry = self._entries[index]
        try:
            self._read(index)
        except StreamRefused:
            return  # not at work on it yet, or too busy to tell: asked again soon
        except TeeTeeError as error:
            # Once per entry and kind.
            if (key := f"{entry.endpoint} {type(error).__name__}") not in warned:
                warned.add(key)
                self._on_warning(str(error))

    def _read(self, index: int) -> None:
        entry = self._entries[index]
        seen: list[str] = []
        events = read_stream(
            Endpoint.parse(entry.endpoint),
            tls=entry.tls,
            request_id=self._request_id,
            proof=self._proof,
            stopped=lambda: self._given_up(index, bool(seen)),
        )
        for event in events:
            if isinstance(event, Done):
                self._finished.set()
                return
            seen.append(event.text)
            self._show("".join(seen))

    def _given_up(self, index: int, spoke: bool) -> bool:
        """A silent entry is left when the next one's time has come."""
        later = self._entries[index + 1 :]
        turn_over = not spoke and bool(later) and time.time() >= later[0].begins_at
        return self._stop.is_set() or turn_over

    def _show(self, seen: str) -> None:
        # Entries sample alike only when greedy: another entry's different text is left to the
        # chain's answer.
        if len(seen) > len(self._shown) and seen.startswith(self._shown):
            fresh, self._shown = seen[len(self._shown) :], seen
            self._on_text(fresh)
