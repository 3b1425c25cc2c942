# SPDX-License-Identifier: Apache-2.0
"""One process and all that it starts: begun together, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

WRAPPER = Path(__file__).with_name("die_with_parent.py")
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Argument = str | Path


def start_group(
    argv: Sequence[Argument],
    environment: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    stderr: int,
) -> subprocess.Popen[bytes]:
    """A process that leads a group and a session of its own: Ctrl-C in the terminal does not reach
    it. Its stdout is a pipe.
    """
    wrapper = (sys.executable, "-I", "-S", str(WRAPPER), str(os.getpid()))
    return subprocess.Popen(
        [*wrapper, *(str(part) for part in argv)],
        env=dict(environment),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To all of them, if any are left."""
    # On macOS a group of zombies answers with the second.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Nothing of the group is left after this."""
    signal_group(process, signal.SIGKILL)
    process.wait()


@contextmanager
def signals_held() -> Iterator[None]:
    """No signal between a process's start and its entry in the book: it would be left behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
