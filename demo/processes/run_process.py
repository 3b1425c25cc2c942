# SPDX-License-Identifier: Apache-2.0
"""A process that ends by itself: input on stdin, stdout collected, stderr logged."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.errors import ProcessEnded, ProcessSilent
from demo.processes.process_group import end_group

LAST_LINES = 12

OnLine = Callable[[bytes], None]


@dataclass(frozen=True)
class FinishedProcess:
    """The exit status and the output of a process."""

    status: int
    stdout: bytes
    last_output: str
    """The end of what was logged."""


class RunningProcess:
    """One such process. Each stream has a thread, so that none fills up and blocks the process."""

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        *,
        stdin: bytes,
        log: Path,
        on_line: OnLine | None,
        logs_stdout: bool,
    ) -> None:
        """stderr goes into `log`, stdout only with `logs_stdout`; `on_line` gets each line of
        stdout.
        """
        self._process = process
        self._is_finished = False
        self._name = name
        self._logs_stdout = logs_stdout
        self._stdin = stdin
        self._log = log
        self._on_line = on_line
        self._stdout = b""
        self._logged: list[bytes] = []
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._write_stdin, self._read_stdout, self._read_stderr)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self, seconds: float, *, may_fail: bool = False) -> FinishedProcess:
        """Wait for its end. Raises `ProcessSilent`; `ProcessEnded` if it fails and may not."""
        try:
            if not self._wait(seconds):
                raise ProcessSilent(self._name, seconds, "its end", self._log)
            status = self._process.wait()
        finally:
            self.end()
        if status and not may_fail:
            raise ProcessEnded(self._name, status, self._log, self._last_output())
        return FinishedProcess(status, self._stdout, self._last_output())

    @property
    def is_finished(self) -> bool:
        """Whether nothing of it is left."""
        return self._is_finished

    def end(self) -> None:
        """Kill what is left of it. Can be called twice."""
        if not self._is_finished:
            end_group(self._process)
            self._is_finished = True

    def _wait(self, seconds: float) -> bool:
        """Whether all streams ended in time."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _last_output(self) -> str:
        text = b"".join(self._logged).decode(errors="replace")
        return "\n".join(text.splitlines()[-LAST_LINES:])

    def _write_stdin(self) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as stream:
                stream.write(self._stdin)
        except BrokenPipeError:
            pass  # it ended without reading; its status tells why

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._stdout += line
                if self._on_line is not None:
                    self._on_line(line)
        if self._logs_stdout:
            self._write_log(self._stdout)

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._write_log(line)

    def _write_log(self, piece: bytes) -> None:
        self._logged.append(piece)
        with self._log.open("ab") as log:
            log.write(piece)
