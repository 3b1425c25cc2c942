# SPDX-License-Identifier: Apache-2.0
"""The errors of `shard_runtime.backends.native`.

teetee.errors.Fatal
├── NativeUnavailable    no library, one of another version, or a machine it cannot run on
└── NativeRefused        numbers or shapes that the kernels must not be given
"""

from teetee.errors import Fatal


class NativeUnavailable(Fatal):
    """The native step cannot be used in this process."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The native step is not available: {reason}. Build it with `make native`, name it in "
            "TEETEE_NATIVE_LIBRARY, or compute with torch."
        )


class NativeRefused(Fatal):
    """What was given does not fit. Checked before C++ sees it, which checks nothing."""

    def __init__(self, what: str, found: object, wanted: object) -> None:
        self.what, self.found, self.wanted = what, found, wanted
        super().__init__(f"The native step refuses {what}: {found}; {wanted} is needed.")
