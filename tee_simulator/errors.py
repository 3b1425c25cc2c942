# SPDX-License-Identifier: Apache-2.0
"""The simulator's errors. It imports nothing of ours, so the tree has a root of its own.

SimulatorError
├── Retryable                   the same command may succeed later, unchanged
│   ├── SocketInUse             another process listens there
│   └── PortInUse               another process listens there
└── Fatal                       something has to be changed first
    ├── AddressUnusable         the socket or port cannot be opened at all
    ├── DirectoryUnusable       cannot be made, read or written
    ├── NameInvalid             not fit for the name of an enclave
    ├── ComposeInvalid          not an app-compose document
    ├── PkiDamaged              the files of the test PKI do not fit together
    ├── IdentityDamaged         the files of an enclave do not fit together
    ├── ConditionsInvalid       not conditions that the simulator knows
    └── CallInvalid             a guest-agent call that dstack would refuse as well
"""

from pathlib import Path


class SimulatorError(Exception):
    """The root. The first argument is the whole message, for people."""


class Retryable(SimulatorError):
    """The same command may succeed later, unchanged."""


class Fatal(SimulatorError):
    """The same command will fail again: something has to be changed first."""


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
            f"Another process listens on port {port}. "
            "Stop it, or give another --port (0 takes any)."
        )


class AddressUnusable(Fatal):
    """The socket or port cannot be opened."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(f"Cannot listen on {address}: {reason}. Give another address.")


class DirectoryUnusable(Fatal):
    """A folder or a file in it cannot be made, read or written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"Cannot use {path}: {reason}. Give a folder that this user may read and write."
        )


class NameInvalid(Fatal):
    """Not fit for the name of an enclave."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name!r} cannot name an enclave. Take 1 to 64 letters, digits, '-' or '_', "
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
    """The files of the test PKI do not fit together."""

    def __init__(self, directory: Path, reason: str) -> None:
        self.directory = directory
        self.reason = reason
        super().__init__(
            f"The test PKI in {directory} is damaged: {reason}. "
            "Remove the folder; a new root needs a new deployment."
        )


class IdentityDamaged(Fatal):
    """The files of an enclave do not fit together."""

    def __init__(self, directory: Path, reason: str) -> None:
        self.directory = directory
        self.reason = reason
        super().__init__(
            f"The simulated enclave in {directory} is damaged: {reason}. "
            "Remove the folder; its keys are gone then."
        )


class ConditionsInvalid(Fatal):
    """Not conditions that the simulator knows."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"Cannot simulate that: {rule}. See tee_simulator/collateral/conditions.py."
        )


class CallInvalid(Fatal):
    """A guest-agent call that dstack would refuse as well."""
