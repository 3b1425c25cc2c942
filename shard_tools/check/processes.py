# SPDX-License-Identifier: Apache-2.0
"""Processes that answer lines of JSON with lines of JSON."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from shard_runtime.errors import CheckFailed

_ENDING_SECONDS = 10


class WorkerProcess:
    """One process; `ask` waits for its reply."""

    def __init__(
        self,
        name: str,
        role: str,
        environment: Mapping[str, str],
        module: str = "shard_tools.check.worker",
    ) -> None:
        self.name = name
        self.peak_bytes = 0
        """The last that it told."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def send(self, **command: Any) -> None:
        """Begin something. Raises `CheckFailed` when the process has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise CheckFailed(self.name, "its process ended") from None

    def receive(self) -> dict[str, Any]:
        """The reply to the oldest command without one. Raises `CheckFailed`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise CheckFailed(self.name, "its process ended")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise CheckFailed(self.name, reply["error"])
        self.peak_bytes = reply["peakBytes"]
        return reply

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send and receive."""
        self.send(**command)
        return self.receive()

    def end(self) -> None:
        """Close its input, which ends it; kill it if it does not."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def started(name: str, role: str) -> Iterator[WorkerProcess]:
    """A process for the length of a block.

    torch gets one thread, unless OMP_NUM_THREADS says otherwise: several processes share the cores.
    Few malloc arenas: what many threads free would otherwise stay resident in each of them.
    """
    defaults = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "TQDM_DISABLE": "1"}
    worker = WorkerProcess(name, role, defaults | os.environ)
    try:
        yield worker
    finally:
        worker.end()
