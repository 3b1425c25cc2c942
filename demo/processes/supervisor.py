# SPDX-License-Identifier: Apache-2.0
"""Owns the processes of a world and sees to it that none outlives it.

Each leads a process group of its own, so that what it starts is stopped with it, and Ctrl-C in the
terminal reaches the demo alone, which then stops them in order.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from demo.errors import ProcessEnded, ProcessSilent
from demo.processes.process_group import (
    Argument,
    end_group,
    signal_group,
    signals_held,
    start_group,
)
from demo.processes.run_process import Finished, OneRun, OnLine
from demo.processes.service import Service

STOP_SECONDS = 10.0


class Supervisor:
    """Used by one thread which lives as long as the processes shall: Linux ties them to it."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._services: list[Service] = []
        self._runs: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, argv: Sequence[Argument], environment: Mapping[str, str]) -> Service:
        """A process that goes on. Its stdout and stderr go to `name`.log, after what is there."""
        with signals_held():
            process = start_group(argv, environment, stderr=subprocess.STDOUT)
            service = Service(name, process, self._logs / f"{name}.log")
            self._services.append(service)
        return service

    def run(
        self,
        name: str,
        argv: Sequence[Argument],
        environment: Mapping[str, str],
        *,
        seconds: float,
        given: bytes = b"",
        on_out: OnLine | None = None,
        log_out: bool = False,
        may_fail: bool = False,
    ) -> Finished:
        """A process that ends. Its stderr goes to `name`.log; its stdout is the caller's alone,
        line by line to `on_out`, unless it may go into the log with `log_out`. `given` is stdin.

        Raises `ProcessSilent`, and `ProcessEnded` when it fails, unless it `may_fail`.
        """
        log = self._logs / f"{name}.log"
        with signals_held():
            process = start_group(argv, environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            self._runs.append(process)
        try:
            run = OneRun(process, given=given, log=log, on_out=on_out, log_out=log_out)
            if not run.wait(seconds):
                raise ProcessSilent(name, seconds, "its end", log)
            status = process.wait()
        finally:
            end_group(process)
            self._runs.remove(process)
        if status and not may_fail:
            raise ProcessEnded(name, status, log, run.last_words())
        return Finished(status, run.out, run.last_words())

    def stop(self, *services: Service) -> None:
        """Ask them to end, and insist after `STOP_SECONDS`. Forgets those that were killed."""
        for service in services:
            signal_group(service.process, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for service in services:
            with suppress(subprocess.TimeoutExpired):
                service.process.wait(max(0.0, until - time.monotonic()))
            end_group(service.process)
            service.hear_out()
            with suppress(ValueError):
                self._services.remove(service)

    def stop_all(self) -> None:
        """Everything, the youngest first. Can be called twice."""
        for process in list(self._runs):
            end_group(process)
        self.stop(*self._services[::-1])
