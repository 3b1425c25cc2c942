# SPDX-License-Identifier: Apache-2.0
"""Measures this machine: how fast it reads memory and multiplies matrices, with as many threads as
the enclave will have. Decoding speed follows from the read bandwidth.
"""

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_READ_BYTES = 512 << 20
"""Larger than any cache."""
_COLUMNS = 4096
_MATRIX = 1536
_REPEATS = 7
_DEFAULT_AVAILABLE_BYTES = 4 << 30


def measure(threads: int | None = None) -> dict[str, Any]:
    """Measures this machine and returns it as a host of the hosts file.

    Takes some seconds; the machine should be idle. threads: None for torch's default.
    """
    default_threads = torch.get_num_threads()
    torch.set_num_threads(threads or default_threads)
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
        torch.set_num_threads(default_threads)


def _bandwidth() -> float:
    """Bytes read per second by a product of a matrix and a vector."""
    size = min(_READ_BYTES, _available_bytes() // 4)
    matrix = torch.ones(max(size // 4 // _COLUMNS, 1), _COLUMNS)
    vector = torch.ones(_COLUMNS)
    return matrix.numel() * 4 / _fastest_seconds(lambda: matrix @ vector)


def _compute() -> float:
    """float32 operations per second."""
    matrix = torch.ones(_MATRIX, _MATRIX)
    return 2 * _MATRIX**3 / _fastest_seconds(lambda: matrix @ matrix)


def _fastest_seconds(work: Callable[[], object]) -> float:
    """The shortest of several runs, after a warm-up: other load can only lengthen a run."""
    work()
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _available_bytes() -> int:
    """The memory that the system could still allocate; 4 GiB where it does not say."""
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text(encoding="ascii").splitlines() if meminfo.is_file() else []
    found = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else _DEFAULT_AVAILABLE_BYTES
