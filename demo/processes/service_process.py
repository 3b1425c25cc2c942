# SPDX-License-Identifier: Apache-2.0
"""A process that runs until it is stopped; its output is kept and logged."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from demo.errors import ProcessEnded, ProcessSilent
from demo.processes.process_group import end_group

READ_SECONDS = 10.0
LAST_LINES = 12


class ServiceProcess:
    """One such process. `on_end` is called, in another thread, when its output ends."""

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        log: Path,
        on_end: Callable[[ServiceProcess], None],
    ) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.is_stopping = False
        """Set before it is stopped: its end is then expected."""
        self._on_end = on_end
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._has_ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        """Whether the process exists."""
        return self.process.poll() is None

    @property
    def line_count(self) -> int:
        """The number of lines of output so far."""
        return len(self._lines)

    def wait_for(
        self, matches: Callable[[str], bool], seconds: float, awaited: str, *, since: int = 0
    ) -> str:
        """The first matching line of output after the first `since` lines, past or future.

        Raises `ProcessEnded`, `ProcessSilent`.
        """
        until, seen = time.monotonic() + seconds, since
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    if matches(line):
                        return line
                seen = len(self._lines)
                if self._has_ended:
                    status = self.process.wait()
                    raise ProcessEnded(self.name, status, self.log, self._last_output())
                if not self._changed.wait(until - time.monotonic()):
                    raise ProcessSilent(self.name, seconds, awaited, self.log)

    def kill(self) -> None:
        """kill -9, as if the machine lost power; waits for the end."""
        self.is_stopping = True
        end_group(self.process)
        self.finish_log()

    def finish_log(self) -> None:
        """After its end: wait until the log is complete."""
        self._reader.join(READ_SECONDS)

    def _last_output(self) -> str:
        return "\n".join(self._lines[-LAST_LINES:])

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream, self.log.open("ab", buffering=0) as log:
            for raw in stream:
                log.write(raw)
                with self._changed:
                    self._lines.append(raw.decode(errors="replace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
        self._on_end(self)
