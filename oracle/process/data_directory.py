# SPDX-License-Identifier: Apache-2.0
"""The folder of one process: two processes with one journal would get in each other's way."""

import fcntl
import os
from pathlib import Path

from oracle.errors import StartUpRefused


class DataDirectory:
    """Taken for as long as the process runs; the operating system gives it back after kill -9."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def take(self) -> None:
        """Raises `StartUpRefused` when it cannot be written, or another process has it."""
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
        """Any number of times."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
