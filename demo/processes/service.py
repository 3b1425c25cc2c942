# SPDX-License-Identifier: Apache-2.0
"""A process that goes on until it is stopped; what it says is kept and written to its log."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from demo.errors import ProcessEnded, ProcessSilent
from demo.processes.process_group import end_group

HEAR_SECONDS = 10.0
LAST_LINES = 12


class Service:
    """One such process."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log
        self._lines: list[str] = []
        self._heard = threading.Condition()
        self._ended = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def is_running(self) -> bool:
        """Whether it still is there."""
        return self.process.poll() is None

    @property
    def said(self) -> int:
        """How many lines so far."""
        return len(self._lines)

    def wait_for(
        self, matches: Callable[[str], bool], seconds: float, awaited: str, *, since: int = 0
    ) -> str:
        """The first line which matches, also one said before, but for the first `since` lines.

        Raises `ProcessEnded`, `ProcessSilent`.
        """
        until, seen = time.monotonic() + seconds, since
        with self._heard:
            while True:
                for line in self._lines[seen:]:
                    if matches(line):
                        return line
                seen = len(self._lines)
                if self._ended:
                    raise ProcessEnded(self.name, self.process.wait(), self.log, self.last_words())
                if not self._heard.wait(until - time.monotonic()):
                    raise ProcessSilent(self.name, seconds, awaited, self.log)

    def last_words(self) -> str:
        """The end of what it said."""
        return "\n".join(self._lines[-LAST_LINES:])

    def kill(self) -> None:
        """kill -9, as a machine that loses power would do it; waits for the end."""
        end_group(self.process)
        self.hear_out()

    def hear_out(self) -> None:
        """After its end: the log is whole when this returns."""
        self._listener.join(HEAR_SECONDS)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as said, self.log.open("ab", buffering=0) as log:
            for raw in said:
                log.write(raw)
                with self._heard:
                    self._lines.append(raw.decode(errors="replace").rstrip("\n"))
                    self._heard.notify_all()
        with self._heard:
            self._ended = True
            self._heard.notify_all()
