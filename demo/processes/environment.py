# SPDX-License-Identifier: Apache-2.0
"""The environment of the demo's processes: small, and without the question.

Keys are passed here and not as arguments, which every user can see in the process list.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "NO_COLOR")

# One thread per process: the processes share the cores. No downloads: all files are local.
FIXED = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "",
}


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """For one process. `more` takes precedence."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, **FIXED, **(more or {})}
