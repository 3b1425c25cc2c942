# SPDX-License-Identifier: Apache-2.0
"""What this machine can do: how fast it reads memory and multiplies matrices, with as many threads
as an enclave would have. A shard's speed in decoding follows from the first.
"""

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_READ_BYTES = 512 << 20
"""Beyond any cache."""
_COLUMNS = 4096
_MATRIX = 1536
_REPEATS = 7


def measure(threads: int | None = None) -> dict[str, Any]:
    """As a host of the file that `plan` reads. Takes some seconds, on a machine with nothing else
    to do. threads: None for torch's own number.
    """
    former = torch.get_num_threads()
    torch.set_num_threads(threads or former)
    try:
        with torch.inference_mode():
            return {
                "name": platform.node() or "this host",
                "memory": f"{_available_bytes() / (1 << 30):.1f} GiB",
                "bandwidth": round(_bandwidth() / 1e9, 1),
                "compute": round(_compute() / 1e9, 1),
                "latency": 0,
                "entry": True,
            }
    finally:
        torch.set_num_threads(former)


def _bandwidth() -> float:
    """Bytes read in a second, as a matrix is when it multiplies one vector."""
    size = min(_READ_BYTES, _available_bytes() // 4)
    matrix = torch.ones(max(size // 4 // _COLUMNS, 1), _COLUMNS)
    vector = torch.ones(_COLUMNS)
    return matrix.numel() * 4 / _seconds(lambda: matrix @ vector)


def _compute() -> float:
    """Operations in a second, float32."""
    matrix = torch.ones(_MATRIX, _MATRIX)
    return 2 * _MATRIX**3 / _seconds(lambda: matrix @ matrix)


def _seconds(work: Callable[[], object]) -> float:
    """The least of several, after one that warms up: other work can only make it longer."""
    work()
    taken = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _available_bytes() -> int:
    """What the system could still give out; a guess of 4 GiB where it does not say."""
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text(encoding="ascii").splitlines() if meminfo.is_file() else []
    found = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else 4 << 30
