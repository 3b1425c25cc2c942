# SPDX-License-Identifier: Apache-2.0
"""Where a world keeps what it makes. One world at a time per folder, whatever was left in it.

Sockets lie elsewhere, in a folder with a short name: the kernel takes 107 bytes of path at most.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from demo.errors import AnotherDemoRuns

LOCK = "lock"


@dataclass(frozen=True)
class Folders:
    """The paths of one world. `open` it first, `close` it in the end."""

    directory: Path
    sockets: Path
    lock: int

    @classmethod
    def open(cls, directory: Path) -> Folders:
        """Take the folder and empty it. Raises `AnotherDemoRuns`."""
        directory.mkdir(parents=True, exist_ok=True)
        # The kernel drops the lock with the process, so a killed demo leaves none. Children do not
        # inherit it: Python opens files close-on-exec.
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AnotherDemoRuns(directory) from None
        for path in directory.iterdir():
            if path.name != LOCK:
                _remove(path)
        folders = cls(directory, Path(tempfile.mkdtemp(prefix="teetee-")), lock)
        for folder in (folders.logs, folders.wallet, folders.enclaves, folders.journals):
            folder.mkdir(mode=0o700)
        return folders

    def close(self) -> None:
        """What was made stays for reading; only sockets and the lock go."""
        shutil.rmtree(self.sockets, ignore_errors=True)
        os.close(self.lock)

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.directory / "logs"

    @property
    def wallet(self) -> Path:
        """The requester's files: pending requests."""
        return self.directory / "wallet"

    @property
    def enclaves(self) -> Path:
        """The simulated machines' identities, and the test PKI."""
        return self.directory / "enclaves"

    @property
    def pki(self) -> Path:
        """The test root."""
        return self.enclaves / "pki"

    @property
    def journals(self) -> Path:
        """The oracles' journals, a folder each."""
        return self.directory / "journals"

    @property
    def deployment(self) -> Path:
        """Where the contracts are."""
        return self.directory / "deployment.json"

    @property
    def manifest(self) -> Path:
        """The model's digests."""
        return self.directory / "manifest.json"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
