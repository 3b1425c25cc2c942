# SPDX-License-Identifier: Apache-2.0
"""A world's folder. One world at a time uses it; the next one empties it.

Sockets lie in another folder with a short name, because the kernel limits their paths to 107 bytes;
the enclaves' keys lie beside them, in memory.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from demo.errors import NoWorldRuns, WorldRuns

LOCK = "lock"
MEMORY_FOLDER = Path("/dev/shm")


@dataclass(frozen=True)
class Folders:
    """The paths of one world, from `open` or `join` to `close`."""

    directory: Path
    sockets: Path
    lock: int | None = None
    """Descriptor of the locked file; None for a visitor."""

    @classmethod
    def open(cls, directory: Path) -> Folders:
        """Lock the folder and empty it. Raises `WorldRuns`."""
        directory.mkdir(parents=True, exist_ok=True)
        # The kernel releases the lock when the process ends, killed or not. Children do not inherit
        # it: Python opens files close-on-exec.
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise WorldRuns(directory) from None
        for path in directory.iterdir():
            if path.name != LOCK:
                _remove(path)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        folders = cls(directory, _socket_folder(), lock)
        for folder in (folders.logs, folders.wallet, folders.enclaves, folders.journals):
            folder.mkdir(mode=0o700)
        return folders

    @classmethod
    def join(cls, directory: Path) -> Folders:
        """The folder of a world that another process runs. Raises `NoWorldRuns`."""
        world_process(directory)
        return cls(directory, _socket_folder())

    def close(self) -> None:
        """Remove the sockets and release the lock. What was made stays, to be read."""
        shutil.rmtree(self.sockets, ignore_errors=True)
        if self.lock is not None:
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
    def keys(self) -> Path:
        """The enclaves' private keys, a folder each. In memory where the machine has /dev/shm."""
        return self.sockets / "keys"

    @property
    def deployment(self) -> Path:
        """The contracts' addresses."""
        return self.directory / "deployment.json"

    @property
    def manifest(self) -> Path:
        """The model's digests."""
        return self.directory / "manifest.json"


def world_process(directory: Path) -> int:
    """The process that runs the world of that folder. Raises `NoWorldRuns`."""
    try:
        with (directory / LOCK).open("rb") as lock:
            if not _is_free(lock.fileno()):
                return int(lock.read())
    except (OSError, ValueError):
        pass
    raise NoWorldRuns(directory)


def wait_for_release(directory: Path, seconds: float | None = None) -> bool:
    """Whether no world uses the folder any more, within that time."""
    waiting = threading.Thread(target=_wait_for_lock, args=(directory / LOCK,), daemon=True)
    waiting.start()
    waiting.join(seconds)
    return not waiting.is_alive()


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_lock(lock: Path) -> None:
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def _socket_folder() -> Path:
    in_memory = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    return Path(tempfile.mkdtemp(prefix="teetee-", dir=in_memory))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
