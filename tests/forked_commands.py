# SPDX-License-Identifier: Apache-2.0
"""Commands in processes of their own, forked from one that has imported them: an import of torch
takes seconds, a fork milliseconds. A crash ends the fork alone.

The test's side is `ForkedCommands`; the module itself is the process that forks.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class ForkedCommands:
    """`run` calls the `main` of a module as its command would, with stdin closed and empty."""

    def __init__(self, *imported: str) -> None:
        """imported: modules that the forking process imports first."""
        # No variable of the caller's own environment reaches a command.
        environment = {name: value for name, value in os.environ.items() if "TEETEE" not in name}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *imported],
            cwd=Path(__file__).parents[1],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """The exit code is negative after a crash, as subprocess.run's."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            call = {"module": module, "arguments": arguments, "out": str(out), "err": str(err)}
            self._process.stdin.write(json.dumps(call) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(
                [module, *arguments], code, out.read_bytes(), err.read_bytes()
            )


def main() -> None:
    """Answers each call on stdin with an exit code."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_command(json.loads(line)))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _command(call: dict[str, Any]) -> int:
    """The exit code of Python itself after such a `main`."""
    for descriptor, path in enumerate((os.devnull, call["out"], call["err"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), descriptor)
    sys.argv = [call["module"], *call["arguments"]]
    try:
        importlib.import_module(call["module"]).main()
        code: object = 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:  # noqa: BLE001 - as Python does at the end of a program
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main()
