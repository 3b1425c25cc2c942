# SPDX-License-Identifier: Apache-2.0
"""Errors that prevent a comparison. A refused quote is a verdict, not an error.

QuoteComparisonError (Fatal)
├── ContractsNotCompiled      no bytecode to deploy
├── AnvilUnavailable          anvil cannot be started, or does not answer
├── AnvilFailed               anvil refused a call that must succeed
└── TimeOutOfRange            a time that no block can have
"""

from teetee.errors import Fatal


class QuoteComparisonError(Fatal):
    """No comparison was made."""


class ContractsNotCompiled(QuoteComparisonError):
    """No bytecode to deploy."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        super().__init__(
            f"{name} cannot be compiled: {path} is missing. Run `make contracts`, which says why."
        )


class AnvilUnavailable(QuoteComparisonError):
    """anvil cannot be started, or does not answer."""

    def __init__(self, program: str, reason: str) -> None:
        super().__init__(
            f"The local chain cannot be started: {program} {reason}. Run `make setup`."
        )


class TimeOutOfRange(QuoteComparisonError):
    """A time that no block can have."""

    def __init__(self, at: int, last: int) -> None:
        self.at = at
        super().__init__(
            f"{at} is not a Unix time between 0 and {last}. Give seconds since 1970, not "
            "milliseconds: `date +%s` prints the current time."
        )


class AnvilFailed(QuoteComparisonError):
    """anvil refused a call that must succeed."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(
            f"The local chain refused {method}: {reason}. This is a bug in TeeTee: please report "
            "it."
        )
