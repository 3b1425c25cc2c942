# SPDX-License-Identifier: Apache-2.0
"""Files that only their owner can read (mode 0600 in folders of 0700), written atomically."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def user_folder(variable: str, fallback: str) -> Path:
    """`$variable/teetee`, else `~/fallback/teetee` (XDG base directories)."""
    root = os.environ.get(variable)
    return (Path(root) if root else Path.home() / fallback) / "teetee"


def create_private(path: Path, content: bytes) -> None:
    """Write a new file; raises `FileExistsError` if it exists."""
    temporary = _write_temporary(path, content)
    try:
        os.link(temporary, path)  # fails if `path` exists, also in a race
    finally:
        temporary.unlink()


def replace_private(path: Path, content: bytes) -> None:
    """Write or replace a file: a crash leaves either the old content or the new."""
    os.replace(_write_temporary(path, content), path)


def _write_temporary(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp creates with mode 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
