# SPDX-License-Identifier: Apache-2.0
"""The data directory of one process: two processes must not share a journal."""

import fcntl
import os
from pathlib import Path

from oracle.errors import StartUpRefused


class DataDirectory:
    """Locked while the process runs; after kill -9, the operating system releases the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def acquire(self) -> None:
        """Raises `StartUpRefused` if it is not writable or another process uses it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            raise StartUpRefused(
                what=f"the data directory {self.path} cannot be written",
                remedy="Choose another with TEETEE_DATA_DIRECTORY, or correct its owner.",
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise StartUpRefused(
                what=f"another process uses the data directory {self.path}",
                remedy="Stop it, or give each process its own TEETEE_DATA_DIRECTORY.",
            ) from None
        self._lock = lock

    def release(self) -> None:
        """May be called any number of times."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
