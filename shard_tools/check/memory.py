# SPDX-License-Identifier: Apache-2.0
"""Measures the peak memory of a process, and of a bare interpreter.

VmHWM is the highest resident set since the process's exec, file pages included. The peak of a bare
interpreter with torch is subtracted; the difference is the memory of the model.
"""

import subprocess
import sys
from pathlib import Path

from shard_tools.errors import CheckFailed

MEASURE = "VmHWM of /proc/self/status, minus that of a bare interpreter which has imported torch"

_BARE = (
    "import torch; torch.ones(64, 64) @ torch.ones(64, 64); "
    "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
)


def peak_bytes() -> int:
    """The peak of this process so far; 0 where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    lines = status.read_text(encoding="ascii").splitlines()
    return _bytes(next(line for line in lines if line.startswith("VmHWM")))


def bare_bytes() -> int:
    """The peak of a new interpreter that imports torch and multiplies once."""
    if not Path("/proc/self/status").is_file():
        return 0
    done = subprocess.run(
        [sys.executable, "-c", _BARE], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CheckFailed("a bare interpreter with torch", "torch cannot be imported")
    return _bytes(done.stdout)


def _bytes(line: str) -> int:
    return int(line.split()[1]) * 1024
