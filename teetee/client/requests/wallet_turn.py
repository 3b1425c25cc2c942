# SPDX-License-Identifier: Apache-2.0
"""One process or thread at a time pays from a wallet.

Payments of one wallet depend on each other: on its nonce, on the nonce of its permits, and on its
credit. The holder of the turn reads them, pays, and passes the turn on when the payment is
included. The turn ends with the process. Where no file can be written, there is no turn.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from teetee.client.errors import WalletBusy
from teetee.client.private_files import user_folder

POLL_SECONDS = 0.1
# A payment that is not included is given up after 300 s.
PATIENCE_SECONDS = 330.0


def wallet_turn(
    chain_id: int,
    address: str,
    folder: Path | None = None,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Callable[[], AbstractContextManager[None]]:
    """Makes context managers that hold the wallet's turn on this machine, for users with this state
    folder. Entering one raises `WalletBusy` if another holds it too long.
    """
    path = (folder or user_folder("XDG_STATE_HOME", ".local/state")) / (
        f"{chain_id}-{address}.lock"
    )
    return lambda: _hold(path, address, patience_seconds)


@contextmanager
def _hold(path: Path, address: str, patience_seconds: float) -> Iterator[None]:
    descriptor = _acquire(path, address, time.monotonic() + patience_seconds)
    try:
        yield
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)  # while it is still locked: see _acquire
            os.close(descriptor)


def _acquire(path: Path, address: str, deadline: float) -> int | None:
    """The descriptor of the locked file, which is the one that has the name at that time; None if
    none can be written.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return None
        if _try_lock(descriptor) and _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise WalletBusy(address, str(path))
        time.sleep(POLL_SECONDS)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """False if the holder before has removed the file: another may have made a new one."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
