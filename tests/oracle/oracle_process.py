# SPDX-License-Identifier: Apache-2.0
"""The oracle in a process of its own, which can be made to kill itself at a named point.

Nothing of this is in production code: the child wraps a method before it runs the server as
`__main__` would.
"""

import importlib
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

# A server process which has imported everything once; its children start in milliseconds.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["oracle.process.server", "tests.oracle.oracle_process"])

START_SECONDS = 60.0


@dataclass(frozen=True)
class CrashPoint:
    """Where the process dies, as by kill -9: before or after a method's `count`-th call."""

    method: str  # module:Class.method
    when: str = "before"
    count: int = 1

    def __str__(self) -> str:
        place = f"{self.when} {self.method.rpartition('.')[2].strip('_')}"
        return place if self.count == 1 else f"{place} {self.count}"


class FakeGuest:
    """Gives "quotes" that AcceptingVerifier believes."""

    def __init__(self, measurement: bytes) -> None:
        self._measurement = measurement

    def get_quote(self, report_data: bytes) -> bytes:
        """An ABI-encoded VerifiedQuote."""
        from tests.teetee.chain.world import accepted_quote

        return accepted_quote(report_data, self._measurement)


class OracleProcess:
    """`start`, then `terminate` or a crash."""

    def __init__(
        self,
        settings: dict[str, str],
        *,
        measurement: bytes,
        log: Path,
        crash: CrashPoint | None = None,
        slow: float = 0.0,
        folder: Path | None = None,
    ) -> None:
        """`slow`: s that each piece of text takes, so that a listener can come in between.
        `folder`: it runs in, and may dump core into.
        """
        self._ready, childs = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(
            target=_run,
            args=(settings, measurement, str(log), crash, slow, folder, childs),
            daemon=True,
        )
        self._process.start()
        childs.close()

    def ready(self) -> dict[str, Any]:
        """What the process says when it takes enrolments."""
        assert self._ready.poll(START_SECONDS), "the oracle does not say that it is ready"
        line: dict[str, Any] = self._ready.recv()
        return line

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def exit_code(self, seconds: float) -> int | None:
        """Waits for the end; negative: the signal which ended it."""
        self._process.join(seconds)
        return self._process.exitcode

    def terminate(self) -> int | None:
        """SIGTERM, and the exit code."""
        self._process.terminate()
        return self.exit_code(150.0)

    def kill(self) -> None:
        """Whatever it does."""
        self._process.kill()
        self._process.join()


def _run(
    settings: dict[str, str],
    measurement: bytes,
    log: str,
    crash: CrashPoint | None,
    slow: float,
    folder: Path | None,
    pipe: "Pipe[Any, Any]",
) -> None:
    import torch

    from oracle import __main__ as program
    from oracle.inference.live_text import LiveText
    from oracle.process import server, startup

    torch.set_num_threads(1)
    os.environ.update(settings)
    if folder is not None:
        os.chdir(folder)
        _allow_core_dumps()
    sys.stderr = Path(log).open("a", encoding="utf-8")  # noqa: SIM115 - open until the end
    sys.stdout = sys.stderr
    guest = FakeGuest(measurement)
    setattr(startup, "DstackGuestAgent", lambda *_: guest)  # noqa: B010 - imported there for its own use
    if slow:
        _after(LiveText, "append", lambda *_: time.sleep(slow))
    _after(
        server,
        "_print_ready_line",
        lambda *given: pipe.send({"port": given[1], "operations": given[2]}),
    )
    if crash is not None:
        _arm(crash)
    sys.exit(program.main(["run"]))


def _allow_core_dumps() -> None:
    """As a service manager may; the kernel writes them into the working folder."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def _after(owner: Any, name: str, then: Callable[..., object]) -> None:
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        then(*arguments)
        return result

    setattr(owner, name, wrapped)


def _arm(crash: CrashPoint) -> None:
    module_name, _, path = crash.method.partition(":")
    owner: Any = importlib.import_module(module_name)
    *owners, name = path.split(".")
    for part in owners:
        owner = getattr(owner, part)
    original, calls = getattr(owner, name), count(1)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        number = next(calls)  # its own: requests that a former process left run beside each other
        if number == crash.count and crash.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if number == crash.count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)
