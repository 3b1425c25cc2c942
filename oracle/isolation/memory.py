# SPDX-License-Identifier: Apache-2.0
"""The process's memory stays in memory: no core dump, no debugger, no swap.

A crash (SIGSEGV, SIGABRT, out of memory) then leaves nothing behind, and no other process of the
same user can read this one's memory or environment.
"""

import ctypes
import faulthandler
import resource
from pathlib import Path

from oracle.errors import StartUpRefused

SWAPS = Path("/proc/swaps")
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4


def protect_memory() -> None:
    """Forbid core dumps and debuggers for the rest of the process's life.

    Both: a core pattern with a pipe ignores the limit. Raises `StartUpRefused`.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if library.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise StartUpRefused(
            what="the kernel does not let this process forbid core dumps",
            remedy="Run it on a Linux that has prctl(PR_SET_DUMPABLE).",
        )


def refuse_swap(swaps: Path = SWAPS) -> None:
    """Raises `StartUpRefused` if the machine swaps: any page, of keys or prompts, could reach a
    disk.
    """
    try:
        active = swaps.read_text().splitlines()[1:]
    except OSError:
        raise StartUpRefused(
            what=f"{swaps} cannot be read, so swap may be on", remedy="Mount /proc."
        ) from None
    if active:
        raise StartUpRefused(
            what="the machine has swap, by which keys and prompts can reach a disk",
            remedy="Switch it off: swap_size 0 in app-compose.json, or `swapoff -a`.",
        )
