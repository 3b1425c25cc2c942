# SPDX-License-Identifier: Apache-2.0
"""Follows an answer while it is generated, in a thread, from whichever recipient is working on it.
Never fails the request.

Recipients take over from each other (docs/protocol.md, section 6), and each stream starts at the
beginning of the answer, so text that is already shown is skipped.
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
    """A recipient of the request, and the Unix time from which it may work on it."""

    endpoint: str
    tls: bytes
    starts_at: float


class LiveAnswer:
    """Streams from the recipients in turn. The callbacks are called from its thread."""

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
        """The text so far."""
        return self._shown

    @property
    def complete(self) -> bool:
        """Whether an entry has sent the end of the answer."""
        return self._finished.is_set()

    @property
    def has_text(self) -> bool:
        """Whether an entry has sent any of the answer."""
        return bool(self._shown)

    def wait(self, seconds: float) -> None:
        """Pause; less long if the end of the answer arrives."""
        self._finished.wait(seconds)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, grace: float = 0.0) -> str:
        """Stop, after up to `grace` seconds for the last text; return the text."""
        self._finished.wait(grace)
        self._stop.set()
        # Connecting may take longer; the thread is a daemon and shows nothing more.
        self._thread.join(STOP_SECONDS)
        return self._shown

    def _follow(self) -> None:
        warned: set[str] = set()
        while not self._stop.is_set() and not self._finished.is_set():
            for index in range(len(self._entries)):
                if self._stop.is_set() or self._finished.is_set():
                    return
                if time.time() >= self._entries[index].starts_at:
                    self._try_entry(index, warned)
            self._stop.wait(RETRY_SECONDS)

    def _try_entry(self, index: int, warned: set[str]) -> None:
        entry = self._entries[index]
        try:
            self._read_entry(index)
        except StreamRefused as refusal:
            # Otherwise it is not working on it yet, or too busy to stream: retried soon.
            if refusal.code == "interrupted" and "interrupted" not in warned:
                warned.add("interrupted")
                self._on_warning(
                    "The answer was interrupted, perhaps because a shard failed. The entry "
                    "continues it if other shards serve the same layers. Otherwise it declines, "
                    "and the deposit is refunded."
                )
        except TeeTeeError as error:
            # One warning per entry and kind of error.
            if (key := f"{entry.endpoint} {type(error).__name__}") not in warned:
                warned.add(key)
                self._on_warning(str(error))

    def _read_entry(self, index: int) -> None:
        entry = self._entries[index]
        seen: list[str] = []
        events = read_stream(
            Endpoint.parse(entry.endpoint),
            tls=entry.tls,
            request_id=self._request_id,
            proof=self._proof,
            stopped=lambda: self._must_stop(index, bool(seen)),
        )
        for event in events:
            if isinstance(event, Done):
                self._finished.set()
                return
            seen.append(event.text)
            self._show("".join(seen))

    def _must_stop(self, index: int, has_text: bool) -> bool:
        """Whether to leave this entry: at the end, or if it is silent when the next one starts."""
        later = self._entries[index + 1 :]
        is_superseded = not has_text and bool(later) and time.time() >= later[0].starts_at
        return self._stop.is_set() or is_superseded

    def _show(self, seen: str) -> None:
        # With random sampling, another entry generates other text: the chain's answer decides.
        if len(seen) > len(self._shown) and seen.startswith(self._shown):
            fresh, self._shown = seen[len(self._shown) :], seen
            self._on_text(fresh)
