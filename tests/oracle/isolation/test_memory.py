# SPDX-License-Identifier: Apache-2.0
"""The memory of the process.

given a process that protects its memory
    when it crashes, by any signal
        there should be no core dump, even where the limit allowed one
    when another process of its user looks
        its environment should not be readable, unless that process is root
given a machine that swaps
    it should be refused
"""

import ctypes
import faulthandler
import multiprocessing
import os
import resource
import signal
from pathlib import Path

import pytest

from oracle.errors import StartUpRefused
from oracle.isolation.memory import protect_memory, refuse_swap

HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
CANARY = b"heliotrope in a coal mine"
_PR_GET_DUMPABLE = 3


def _crash(folder: str, number: int, *, protect: bool) -> None:
    os.chdir(folder)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    kept = bytearray(CANARY * 100)
    if protect:
        faulthandler.enable()
        protect_memory()
        assert not faulthandler.is_enabled()
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
        assert ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
    os.kill(os.getpid(), number)
    assert kept


def _crashed(folder: Path, number: signal.Signals, *, protect: bool) -> int | None:
    process = multiprocessing.get_context("spawn").Process(
        target=_crash, args=(str(folder), int(number)), kwargs={"protect": protect}
    )
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_m12_protect_memory__process_crashes__leaves_no_core_dump(
    tmp_path: Path, number: signal.Signals
) -> None:
    assert _crashed(tmp_path, number, protect=True) == -number
    assert list(tmp_path.iterdir()) == []


def test_m12_core_dump__without_protection__is_found_by_this_test(tmp_path: Path) -> None:
    """So that the test above can fail, where the kernel writes core files into the folder."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if "/" in pattern or "|" in pattern or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("this machine writes no core files into the folder")
    _crashed(tmp_path, signal.SIGSEGV, protect=False)
    (core,) = tmp_path.iterdir()
    assert CANARY in core.read_bytes()


@pytest.mark.parametrize("line", ["/swapfile file 1024 0 -2\n", "/dev/zram0 partition 8 0 5\n"])
def test_m12_refuse_swap__machine_swaps__is_refused(tmp_path: Path, line: str) -> None:
    swaps = tmp_path / "swaps"
    swaps.write_text(HEADER + line)
    with pytest.raises(StartUpRefused) as refused:
        refuse_swap(swaps)
    assert "has swap" in refused.value.what


def test_m12_refuse_swap__no_swap__is_accepted_and_no_list_is_refused(tmp_path: Path) -> None:
    swaps = tmp_path / "swaps"
    with pytest.raises(StartUpRefused):
        refuse_swap(swaps)
    swaps.write_text(HEADER)
    refuse_swap(swaps)
