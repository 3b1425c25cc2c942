# SPDX-License-Identifier: Apache-2.0
"""Worker processes that answer lines of JSON with lines of JSON."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from shard_tools.errors import CheckFailed
from teetee.protocol.json import shallow as shallow_json

_STOP_TIMEOUT_SECONDS = 10


class WorkerProcess:
    """One worker process."""

    def __init__(
        self,
        name: str,
        role: str,
        environment: Mapping[str, str],
        module: str = "shard_tools.check.worker",
    ) -> None:
        self.name = name
        self.peak_bytes = 0
        """As of its last reply."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def send(self, **command: Any) -> None:
        """Sends a command without waiting. Raises `CheckFailed` if the process has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise CheckFailed(self.name, "its process ended") from None

    def receive(self) -> dict[str, Any]:
        """Waits for the next reply; replies come in the order of commands. Raises `CheckFailed`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise CheckFailed(self.name, "its process ended")
        reply: dict[str, Any] = shallow_json.load(line.encode())
        if "error" in reply:
            raise CheckFailed(self.name, reply["error"])
        self.peak_bytes = reply["peakBytes"]
        return reply

    def ask(self, **command: Any) -> dict[str, Any]:
        """Sends a command and waits for its reply. Raises `CheckFailed`."""
        self.send(**command)
        return self.receive()

    def stop(self) -> None:
        """Closes the process's input, which ends it; kills it after a timeout."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def start_worker(name: str, role: str) -> Iterator[WorkerProcess]:
    """Runs a worker for the duration of a `with` block.

    torch gets one thread unless OMP_NUM_THREADS is set, because several processes share the cores.
    malloc gets two arenas: memory freed by many threads would stay resident in an arena of each.
    """
    defaults = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "TQDM_DISABLE": "1"}
    worker = WorkerProcess(name, role, defaults | os.environ)
    try:
        yield worker
    finally:
        worker.stop()
