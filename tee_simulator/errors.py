# SPDX-License-Identifier: Apache-2.0
"""The simulator's errors. They have their own root: the simulator imports no other package.

SimulatorError
├── Retryable                   the same command may succeed later, unchanged
│   ├── SocketInUse             another process listens on it
│   └── PortInUse               another process listens on it
└── Fatal                       something must be changed first
    ├── AddressUnusable         the socket or port cannot be opened
    ├── DirectoryUnusable       cannot be created, read or written
    ├── NameInvalid             not a valid enclave name
    ├── ComposeInvalid          not an app-compose document
    ├── PkiDamaged              the files of the test PKI are inconsistent
    ├── IdentityDamaged         the files of an enclave are inconsistent
    ├── ConditionsInvalid       unknown or invalid conditions
    └── CallInvalid             a guest-agent call that dstack rejects too
"""

from pathlib import Path


class SimulatorError(Exception):
    """The root. The first argument is the whole message."""


class Retryable(SimulatorError):
    """The same command may succeed later, unchanged."""


class Fatal(SimulatorError):
    """The same command will fail again: something must be changed first."""


class SocketInUse(Retryable):
    """Another process listens on the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"Another process listens on {path}. Stop it, or give another --socket.")


class PortInUse(Retryable):
    """Another process listens on the port."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(
            f"Another process listens on port {port}. Stop it, or give another --port (0 for any)."
        )


class AddressUnusable(Fatal):
    """The socket or port cannot be opened."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(f"Cannot listen on {address}: {reason}. Give another address.")


class DirectoryUnusable(Fatal):
    """A folder or a file in it cannot be created, read or written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"Cannot use {path}: {reason}. Give a folder that this user can read and write."
        )


class NameInvalid(Fatal):
    """Not a valid enclave name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name!r} is not a valid enclave name. Use 1 to 64 letters, digits, '-' or '_', "
            "beginning with a letter or digit."
        )


class ComposeInvalid(Fatal):
    """Not an app-compose document."""

    def __init__(self, source: str, rule: str) -> None:
        self.source = source
        self.rule = rule
        super().__init__(
            f"{source} is not an app-compose document: it {rule}. Give dstack's app-compose.json."
        )


class PkiDamaged(Fatal):
    """The files of the test PKI are inconsistent."""

    def __init__(self, directory: Path, reason: str) -> None:
        self.directory = directory
        self.reason = reason
        super().__init__(
            f"The test PKI in {directory} is damaged: {reason}. "
            "Remove the folder and deploy the contracts again with the new root."
        )


class IdentityDamaged(Fatal):
    """The files of an enclave are inconsistent."""

    def __init__(self, directory: Path, reason: str) -> None:
        self.directory = directory
        self.reason = reason
        super().__init__(
            f"The simulated enclave in {directory} is damaged: {reason}. "
            "Remove the folder; this deletes its keys."
        )


class ConditionsInvalid(Fatal):
    """Unknown or invalid conditions."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"These conditions cannot be simulated: {rule}. "
            "See tee_simulator/collateral/conditions.py."
        )


class CallInvalid(Fatal):
    """A guest-agent call that dstack rejects too."""
