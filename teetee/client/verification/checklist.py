# SPDX-License-Identifier: Apache-2.0
"""A list of named checks, each passed or failed with a reason. What could not be checked has
failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from teetee.errors import Retryable, TeeTeeError


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


@dataclass
class Checklist:
    """Checks in the order in which they were made."""

    checks: list[Check] = field(default_factory=list)
    may_pass: bool = False
    """Whether some check failed only because something could not be asked."""

    @property
    def passed(self) -> bool:
        """Whether there were checks and all of them passed."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failures(self) -> list[Check]:
        """Those which failed."""
        return [check for check in self.checks if not check.ok]

    def expect(self, name: str, ok: bool, good: str, bad: str) -> bool:
        """Note the outcome; returns it."""
        self.checks.append(Check(name, ok, good if ok else bad))
        return ok

    def equal(self, name: str, found: object, expected: object, good: str) -> bool:
        """Note whether both are the same, and both values if not."""
        return self.expect(
            name, found == expected, good, f"{_shown(found)} instead of {_shown(expected)}"
        )

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Whatever of our own errors ends this block becomes the named check's failure."""
        try:
            yield
        except TeeTeeError as error:
            self.may_pass = self.may_pass or isinstance(error, Retryable)
            self.expect(name, False, "", str(error))


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
