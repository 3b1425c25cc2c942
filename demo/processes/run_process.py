# SPDX-License-Identifier: Apache-2.0
"""A process that ends by itself: fed on stdin, its stdout collected, its stderr logged."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LAST_LINES = 12

OnLine = Callable[[bytes], None]


@dataclass(frozen=True)
class Finished:
    """How it ended, and what it said."""

    status: int
    out: bytes
    last_words: str


class OneRun:
    """Each stream has a thread, so that none of them can fill up and stop the process."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        given: bytes,
        log: Path,
        on_out: OnLine | None,
        log_out: bool,
    ) -> None:
        """stderr goes into `log`, stdout only with `log_out`; `on_out` hears of it line by line."""
        self.out = b""
        self._log_out = log_out
        self._process = process
        self._given = given
        self._log = log
        self._on_out = on_out
        self._said: list[bytes] = []
        jobs = (self._feed, self._take_out, self._take_err)
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether all streams ended in time."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def last_words(self) -> str:
        """The end of what went into the log."""
        said = b"".join(self._said).decode(errors="replace")
        return "\n".join(said.splitlines()[-LAST_LINES:])

    def _feed(self) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as into:
                into.write(self._given)
        except BrokenPipeError:
            pass  # it ended without reading; its status tells

    def _take_out(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self.out += line
                if self._on_out is not None:
                    self._on_out(line)
        if self._log_out:
            self._write(self.out)

    def _take_err(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._write(line)

    def _write(self, piece: bytes) -> None:
        self._said.append(piece)
        with self._log.open("ab") as log:
            log.write(piece)
