# SPDX-License-Identifier: Apache-2.0
"""A process and its children: started together, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

WRAPPER = Path(__file__).with_name("die_with_parent.py")

Argument = str | Path


def start_group(
    argv: Sequence[Argument],
    environment: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    stderr: int,
) -> subprocess.Popen[bytes]:
    """A process that leads its own group and session, so that Ctrl-C in the terminal does not
    reach it. Its stdout is a pipe.
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
    """Signal all of the group, if any are left."""
    # On macOS a group of zombies raises the second.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the group and wait for the process."""
    signal_group(process, signal.SIGKILL)
    process.wait()
