# SPDX-License-Identifier: Apache-2.0
"""Records named checks, each passed or failed with a reason. A check that cannot be made fails.

The checks themselves, with their names and details, are in `enrolment_checks`, `receipt_checks`,
`money_checks` and `outcome_checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from teetee.errors import Retryable, TeeTeeError


@dataclass(frozen=True)
class Check:
    """One named check and its outcome."""

    name: str
    ok: bool
    detail: str


@dataclass
class Checklist:
    """Checks, in the order they were made."""

    checks: list[Check] = field(default_factory=list)
    is_retryable: bool = False
    """Whether a check failed only because a service did not answer."""

    @property
    def passed(self) -> bool:
        """Whether there is at least one check and none failed."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failures(self) -> list[Check]:
        """The failed checks."""
        return [check for check in self.checks if not check.ok]

    def expect(self, name: str, ok: bool, good: str, bad: str) -> bool:
        """Record a check with the detail for its outcome; return the outcome."""
        self.checks.append(Check(name, ok, good if ok else bad))
        return ok

    def equal(self, name: str, found: object, expected: object, good: str, unit: str = "") -> bool:
        """Record whether both are equal; if not, the detail shows both, in `unit`."""
        bad = f"{_shown(found)}{unit} instead of {_shown(expected)}{unit}"
        return self.expect(name, found == expected, good, bad)

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Turn a `TeeTeeError` in this block into a failure of the named check."""
        try:
            yield
        except TeeTeeError as error:
            self.is_retryable = self.is_retryable or isinstance(error, Retryable)
            self.expect(name, False, "", str(error))


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
