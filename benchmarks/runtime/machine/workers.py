# SPDX-License-Identifier: Apache-2.0
"""Worker processes: pinned to cores, with a fixed number of threads, answering lines of JSON."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.runtime.machine.cores import pinned
from shard_tools.check.processes import WorkerProcess
from teetee.errors import TeeTeeError

Command = dict[str, Any]


@contextlib.contextmanager
def start_worker(
    name: str, module: str, *, cores: Sequence[int], threads: int
) -> Iterator[WorkerProcess]:
    """Runs a worker for the duration of a `with` block. Its module calls `serve`."""
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # Memory freed by many threads would stay resident in an arena of each.
        "MALLOC_ARENA_MAX": "2",
        "TQDM_DISABLE": "1",
    }
    with pinned(cores):
        worker = WorkerProcess(name, "benchmark", environment, module)
    try:
        yield worker
    finally:
        worker.stop()


def serve(worker: object) -> None:
    """Answers commands until they end. An error outside TeeTee's tree ends the process."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print
    for line in sys.stdin:
        command = json.loads(line)
        run: Callable[[Command], Command] = getattr(worker, command["do"])
        try:
            reply = run(command)
        except TeeTeeError as error:
            reply = {"error": str(error)}
        replies.write(json.dumps({"peakBytes": 0} | reply) + "\n")
        replies.flush()
