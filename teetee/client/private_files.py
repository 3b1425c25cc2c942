# SPDX-License-Identifier: Apache-2.0
"""Files that only their owner can read (mode 0600 in folders of 0700), written atomically.

A file that cannot be written raises `FileNotWritten`, whatever the reason.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from teetee.client.wallet_file_errors import FileNotWritten, NoHomeFolder


def user_folder(variable: str, fallback: str) -> Path:
    """`$variable/teetee`, else `~/fallback/teetee` (XDG base directories)."""
    root = os.environ.get(variable)
    try:
        return (Path(root) if root else Path.home() / fallback) / "teetee"
    except RuntimeError:
        raise NoHomeFolder(variable) from None


def create_private(path: Path, content: bytes) -> None:
    """Write a new file; raises `FileExistsError` if it exists."""
    temporary = _write_temporary(path, content)
    try:
        os.link(temporary, path)  # fails if `path` exists, also in a race
    except FileExistsError:
        raise
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def replace_private(path: Path, content: bytes) -> None:
    """Write or replace a file: a crash leaves either the old content or the new."""
    temporary = _write_temporary(path, content)
    try:
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _not_written(path, error) from None


def remove_private(path: Path) -> None:
    """Remove a file, if it exists."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(path, error) from None


def _write_temporary(path: Path, content: bytes) -> Path:
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp creates with mode 0600.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise _not_written(path, error) from None
    return Path(name)


def _not_written(path: Path, error: OSError) -> FileNotWritten:
    reason = error.strerror or type(error).__name__
    if isinstance(error, FileExistsError):  # of mkdir: something else has the folder's name
        reason = "its folder is a file"
    return FileNotWritten(str(path), reason)
