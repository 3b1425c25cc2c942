# SPDX-License-Identifier: Apache-2.0
"""Files that survive a restart. Secrets have mode 0600 before their first byte is written."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tee_simulator.errors import DirectoryUnusable


def create_directory(path: Path) -> None:
    """Creates the folder and its parents, accessible only to the owner."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DirectoryUnusable(path, _reason(error)) from error


def read_file(path: Path) -> bytes | None:
    """The content, or None if the file does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DirectoryUnusable(path, _reason(error)) from error


def write_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Writes atomically: a crash leaves the old file or none."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DirectoryUnusable(path, _reason(error)) from error


def read_or_create_secret(path: Path, size: int) -> bytes:
    """The secret of `size` random bytes in a file, created on the first call."""
    secret = read_file(path)
    if secret is None:
        secret = secrets.token_bytes(size)
        write_file(path, secret)
    if len(secret) != size:
        raise DirectoryUnusable(path, f"it has {len(secret)} bytes instead of {size}")
    return secret


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Locks the folder: enclaves that start together must not create two roots."""
    try:
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DirectoryUnusable(directory, _reason(error)) from error
    with os.fdopen(descriptor) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
