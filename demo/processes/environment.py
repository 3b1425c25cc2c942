# SPDX-License-Identifier: Apache-2.0
"""What a process of the demo finds in its environment: little, and never the question.

Keys travel here, because arguments stand in the process list for everybody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "NO_COLOR")

# One thread per process: the processes share the cores, and more threads would only wait for each
# other. Nothing is fetched: every file is on this machine.
FIXED = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "",
}


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """For one process. `more` wins."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, **FIXED, **(more or {})}
