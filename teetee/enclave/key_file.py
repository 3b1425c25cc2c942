# SPDX-License-Identifier: Apache-2.0
"""The file that keeps an enclave's keys over a restart of its process, in memory alone.

One file for each chain, registry and escrow: keys that serve one never serve another, so a host
that names another registry gets an enclave that can open nothing of the first. The folder must be
on tmpfs, in the machine's encrypted memory: a reboot takes the keys with it, and the shard gets the
new ones by `rekey`.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eth_abi.abi import encode

from teetee.enclave.keys import SECRET_BYTES, EnclaveKeys, KeySecrets
from teetee.errors import KeyFileRefused
from teetee.protocol.typed_data import keccak256

_MAGIC = b"teetee/keys/v1".ljust(32, b"\0")
_FILE_BYTES = len(_MAGIC) + 32 + 3 * SECRET_BYTES
_MEMORY_FILE_SYSTEMS = {0x01021994: "tmpfs", 0x858458F6: "ramfs"}


@dataclass(frozen=True, slots=True)
class KeyScope:
    """What a set of keys is for: it is never used with another chain, registry or escrow."""

    chain_id: int
    registry: str
    escrow: str

    def digest(self) -> bytes:
        """32 bytes."""
        types = ("string", "uint256", "address", "address")
        values = ("teetee/keys/v1", self.chain_id, self.registry, self.escrow)
        return keccak256(encode(types, values))


class KeyFile:
    """The keys of one scope in a folder. Locked while open: two processes cannot be one enclave."""

    def __init__(self, directory: Path, scope: KeyScope, *, allow_disk: bool = False) -> None:
        """`allow_disk`: also in a folder that is not in memory, for simulated enclaves alone."""
        self._directory = directory
        self._scope = scope.digest()
        self._path = directory / f"{self._scope.hex()[:32]}.keys"
        self._allow_disk = allow_disk
        self._lock: int | None = None

    def open(self) -> tuple[EnclaveKeys, bool]:
        """The keys, and whether they are new. Raises `KeyFileRefused`."""
        self._check_folder()
        self._acquire()
        try:
            found = self._read()
            if found is not None:
                return EnclaveKeys.from_secrets(found), False
            fresh = KeySecrets.fresh()
            keys = EnclaveKeys.from_secrets(fresh)
            self._write(fresh)
        except BaseException:
            self.close()
            raise
        return keys, True

    def close(self) -> None:
        """Release the lock; the keys stay. May be called any number of times."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _check_folder(self) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = os.lstat(self._directory)
        except OSError:
            raise KeyFileRefused(self._directory, "cannot be created or read") from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise KeyFileRefused(self._directory, "is not a folder of this process's user")
        if found.st_mode & 0o077:
            raise KeyFileRefused(self._directory, "is open to others: its mode must be 700")
        if not self._allow_disk and not is_in_memory(self._directory):
            raise KeyFileRefused(
                self._directory, "is not on tmpfs: private keys would reach a disk"
            )

    def _acquire(self) -> None:
        with self._refusing("cannot be locked"):
            lock = os.open(
                self._path.with_suffix(".lock"),
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
                0o600,
            )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise KeyFileRefused(self._directory, "is in use by another process") from None
        self._lock = lock

    def _read(self) -> KeySecrets | None:
        try:
            with self._refusing("has keys that cannot be read"):
                file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(file)
            content = os.read(file, _FILE_BYTES + 1)
        finally:
            os.close(file)
        is_private = found.st_uid == os.getuid() and not found.st_mode & 0o077
        head = _MAGIC + self._scope
        if not is_private or len(content) != _FILE_BYTES or not content.startswith(head):
            raise KeyFileRefused(self._directory, "has keys that this program did not write")
        keys = content[len(head) :]
        signer, kem, tls = (keys[i : i + SECRET_BYTES] for i in range(0, len(keys), SECRET_BYTES))
        return KeySecrets(signer, kem, tls)

    def _write(self, keys: KeySecrets) -> None:
        """Whole or not at all."""
        part = self._path.with_suffix(f".{secrets.token_hex(8)}")
        content = _MAGIC + self._scope + keys.signer + keys.kem + keys.tls
        with self._refusing("cannot be written"):
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                if os.write(file, content) != len(content):
                    raise OSError
                os.replace(part, self._path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            finally:
                os.close(file)

    @contextlib.contextmanager
    def _refusing(self, problem: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError:
            raise KeyFileRefused(self._directory, problem) from None


def is_in_memory(directory: Path) -> bool:
    """Whether the folder's file system is tmpfs or ramfs, by the kernel's statfs."""
    buffer = ctypes.create_string_buffer(512)  # struct statfs, whose first word is the type
    library = ctypes.CDLL(None, use_errno=True)
    if library.statfs(os.fsencode(directory), buffer) != 0:
        return False
    kind = ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF
    return kind in _MEMORY_FILE_SYSTEMS
