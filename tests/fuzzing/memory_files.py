# SPDX-License-Identifier: Apache-2.0
"""Files in memory, for readers that open a path: a campaign writes a million of them."""

import os
import tempfile
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")


def temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    """A new folder, in memory where the machine has such a file system; below TMPDIR if that is in
    memory.
    """
    chosen = Path(tempfile.gettempdir())
    is_usable = os.access(_MEMORY, os.W_OK) and not chosen.is_relative_to(_MEMORY)
    return tempfile.TemporaryDirectory(prefix="teetee-fuzzing-", dir=_MEMORY if is_usable else None)


def memory_folder(name: str) -> Path:
    """A new folder of this process in its `temporary_folder`."""
    path = Path(_of_process().name) / name
    path.mkdir()
    return path


@cache
def _of_process() -> "tempfile.TemporaryDirectory[str]":
    return temporary_folder()
