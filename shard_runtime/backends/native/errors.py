# SPDX-License-Identifier: Apache-2.0
"""The errors of `shard_runtime.backends.native`.

teetee.errors.Fatal
├── NativeUnavailable    no library, the wrong version, or an unsupported machine
└── NativeInputInvalid   values or shapes that must not reach the kernels
"""

from teetee.errors import Fatal


class NativeUnavailable(Fatal):
    """The native backend cannot be used in this process."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The native backend is not available: {reason}. Build it with `make native`, or "
            "use the torch backend."
        )


class NativeInputInvalid(Fatal):
    """Invalid values or shapes. Checked in Python because the C++ code checks nothing."""

    def __init__(self, what: str, found: object, expected: object) -> None:
        self.what, self.found, self.expected = what, found, expected
        super().__init__(f"The native backend rejects {what}: {found}; expected {expected}.")
