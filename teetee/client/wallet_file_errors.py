# SPDX-License-Identifier: Apache-2.0
"""Errors of the wallet's key and of its files on this machine; part of the tree in
`teetee.client.errors`.
"""

from __future__ import annotations

from teetee.errors import Fatal

# ---------------------------------------------------------------- keys


class NoKey(Fatal):
    """No wallet is named."""

    def __init__(self) -> None:
        super().__init__(
            "No wallet: name a keystore with --keystore or TEETEE_KEYSTORE, or set "
            "TEETEE_PRIVATE_KEY. `teetee wallet create` makes one."
        )


class MalformedKey(Fatal):
    """TEETEE_PRIVATE_KEY is not a key. The message never contains the value."""

    def __init__(self) -> None:
        super().__init__(
            "TEETEE_PRIVATE_KEY is not a private key: it must be 32 bytes as hex, with or "
            "without 0x."
        )


class WrongPassphrase(Fatal):
    """The passphrase does not decrypt the keystore."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The passphrase does not decrypt {path}, or the file was changed. Check "
            "TEETEE_PASSPHRASE, or enter it again."
        )


class NoPassphrase(Fatal):
    """A passphrase is needed, and there is no terminal to ask on."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} needs its passphrase, and there is no terminal to ask for it. Set "
            "TEETEE_PASSPHRASE."
        )


class KeystoreUnreadable(Fatal):
    """The file is not a readable keystore."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read as a version 3 keystore: {reason}. Name another with "
            "--keystore, or export the key again."
        )


class KeystoreOfAnotherAddress(Fatal):
    """The file names another address than its key has."""

    def __init__(self, path: str, named: str, derived: str) -> None:
        self.named, self.derived = named, derived
        super().__init__(
            f"{path} names the address {named}, but its key is the one of {derived}. Nothing was "
            "signed. Use the original file, or correct its address if that account is meant."
        )


class KeystoreExists(Fatal):
    """The file exists; a key is never overwritten."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} already exists and is kept. Name another file with --keystore.")


# ---------------------------------------------------------------- files


class FileNotWritten(Fatal):
    """The folder cannot be written, or its disk is full."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path} cannot be written ({reason}). Check the permissions and the free space of its "
            "folder, or name another with XDG_STATE_HOME or XDG_CONFIG_HOME."
        )


class FileNotRead(Fatal):
    """The file or folder exists, and cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be read ({reason}). Check its permissions.")


class NoHomeFolder(Fatal):
    """This user has no home folder, and no other folder is named."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            f"This user has no home folder. Name a folder for TeeTee's files with {variable}, or "
            "set HOME."
        )
