# SPDX-License-Identifier: Apache-2.0
"""The errors of `shard_tools`.

teetee.errors.Fatal
├── PlanError
│   ├── HostsInvalid        a hosts file with a missing or wrong field
│   └── ModelDoesNotFit     the hosts have too little memory
└── CheckFailed             a process started by `check` failed
"""

from teetee.errors import Fatal


class PlanError(Fatal):
    """No plan can be made."""


class HostsInvalid(PlanError):
    """A hosts file with a missing or wrong field."""

    def __init__(self, file: str, field: str, value: object, expected: str) -> None:
        self.file, self.field, self.value, self.expected = file, field, value, expected
        found = "is missing" if value is None else f"is {value!r:.80}"
        super().__init__(
            f"{file}: {field} {found}; expected {expected}. Correct it; "
            "`python -m shard_tools plan --help` shows an example."
        )


class ModelDoesNotFit(PlanError):
    """The hosts have too little memory."""

    def __init__(self, placed: int, layers: int, missing: int) -> None:
        self.placed, self.layers, self.missing = placed, layers, missing
        what = (
            f"only {placed} of {layers} layers fit"
            if placed
            else "no host that may be an entry has memory for embedding, head and one layer"
        )
        super().__init__(
            f"The model does not fit: {what}; {missing / (1 << 30):.2f} GiB are missing. "
            "Add a host or memory, or plan with int8, a shorter context or fewer streams."
        )


class CheckFailed(Fatal):
    """A process started by `check` failed."""

    def __init__(self, process: str, reason: str) -> None:
        self.process, self.reason = process, reason
        super().__init__(f"{process} failed: {reason}. Correct that and run the check again.")
