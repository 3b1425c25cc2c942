# SPDX-License-Identifier: Apache-2.0
"""Owns the processes of a world and stops them all before it ends.

Each process leads its own group: its children are stopped with it, and Ctrl-C in the terminal
reaches only the demo, which then stops the processes in order.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from demo.processes.process_group import Argument, end_group, signal_group, start_group
from demo.processes.run_process import FinishedProcess, OnLine, RunningProcess
from demo.processes.service_process import ServiceProcess
from demo.processes.signals import signals_blocked

STOP_SECONDS = 10.0


class Supervisor:
    """For one thread that lives as long as the processes: Linux ends them with that thread."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._services: list[ServiceProcess] = []
        self._running: list[RunningProcess] = []
        self._ended: queue.SimpleQueue[ServiceProcess | None] = queue.SimpleQueue()

    def start(
        self, name: str, argv: Sequence[Argument], environment: Mapping[str, str]
    ) -> ServiceProcess:
        """Start a service. stdout and stderr are appended to `name`.log."""
        with signals_blocked():
            process = start_group(argv, environment, stderr=subprocess.STDOUT)
            service = ServiceProcess(name, process, self._logs / f"{name}.log", self._ended.put)
            self._services.append(service)
        return service

    def find_service(self, name: str) -> ServiceProcess:
        """The service of that name that was started last."""
        return next(service for service in self._services[::-1] if service.name == name)

    def begin(
        self,
        name: str,
        argv: Sequence[Argument],
        environment: Mapping[str, str],
        *,
        stdin: bytes = b"",
        on_line: OnLine | None = None,
        logs_stdout: bool = False,
    ) -> RunningProcess:
        """Start a process that ends by itself; `finish` waits for it.

        Its stderr is appended to `name`.log. Its stdout is the caller's, line by line to `on_line`;
        it is logged only with `logs_stdout`.
        """
        log = self._logs / f"{name}.log"
        with signals_blocked():
            process = start_group(argv, environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            running = RunningProcess(
                name, process, stdin=stdin, log=log, on_line=on_line, logs_stdout=logs_stdout
            )
            self._running = [each for each in self._running if not each.is_finished] + [running]
        return running

    def run(
        self,
        name: str,
        argv: Sequence[Argument],
        environment: Mapping[str, str],
        *,
        seconds: float,
        stdin: bytes = b"",
        logs_stdout: bool = False,
        may_fail: bool = False,
    ) -> FinishedProcess:
        """Begin and finish. Raises `ProcessSilent`; `ProcessEnded` if it fails and may not."""
        running = self.begin(name, argv, environment, stdin=stdin, logs_stdout=logs_stdout)
        return running.finish(seconds, may_fail=may_fail)

    def wait_for_end(self) -> ServiceProcess | None:
        """The next service that ends without being stopped; None after `wake`."""
        while True:
            service = self._ended.get()
            if service is None or not service.is_stopping:
                return service

    def wake(self) -> None:
        """Make `wait_for_end` return None. From any thread."""
        self._ended.put(None)

    def stop(self, *services: ServiceProcess) -> None:
        """Send SIGTERM, and SIGKILL after `STOP_SECONDS`. Forgets services that were killed."""
        for service in services:
            service.is_stopping = True
            signal_group(service.process, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for service in services:
            with suppress(subprocess.TimeoutExpired):
                service.process.wait(max(0.0, until - time.monotonic()))
            end_group(service.process)
            service.finish_log()
            with suppress(ValueError):
                self._services.remove(service)

    def stop_all(self) -> None:
        """Stop everything, the newest first. Can be called twice."""
        for running in self._running:
            running.end()
        self.stop(*self._services[::-1])
