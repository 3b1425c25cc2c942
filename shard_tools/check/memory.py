# SPDX-License-Identifier: Apache-2.0
"""Peak memory of a process, and of one that has done nothing yet.

VmHWM is the highest resident set of a process since its exec, file pages included. What a bare
interpreter with torch needs is subtracted, so what remains is what the model costs.
"""

import subprocess
import sys
from pathlib import Path

from shard_runtime.errors import CheckFailed

MEASURE = "VmHWM of /proc/self/status, minus that of a bare interpreter which has imported torch"

_BARE = (
    "import torch; torch.ones(64, 64) @ torch.ones(64, 64); "
    "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
)


def peak_bytes() -> int:
    """Of this process, so far. 0 where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    lines = status.read_text(encoding="ascii").splitlines()
    return _bytes(next(line for line in lines if line.startswith("VmHWM")))


def bare_bytes() -> int:
    """Of a new interpreter that imports torch and multiplies once."""
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
