# SPDX-License-Identifier: Apache-2.0
"""The oracle's errors. `oracle.inference.errors` adds those of running a prompt.

    TeeTeeError
    ├── Retryable                      the same call may succeed later
    │   └── OracleRetryable
    │       ├── WrongChainNow          the node answers for another chain than at start-up
    │       ├── HeadIsStale            the node's newest block is too old
    │       ├── HeadWentBack           the node's newest block is older than one seen before
    │       ├── EtherIsShort           the signer cannot pay for gas
    │       ├── GasTooDear             gas costs more than the operator pays
    │       └── NotConfirmed           a transaction is sent, but not confirmed in time
    └── Fatal                          a person must act, or another request must be made
        └── OracleFatal
            ├── SettingsInvalid        all missing and invalid settings together
            ├── StartUpRefused         this process does not match what the chain publishes
            ├── Rejected               the escrow refuses a transaction
            └── JournalUnreadable      the journal holds a record that this program did not write

`Stopped` is not an error: it unwinds a request's work when the process stops. It derives from
BaseException, so that no handler takes it for the outcome of the work.

No message holds a prompt, an answer, a key or the value of a setting.
"""

from collections.abc import Sequence

from teetee.errors import Fatal, Retryable


class OracleRetryable(Retryable):
    """May succeed later, by itself or after the operator has acted."""


class WrongChainNow(OracleRetryable):
    """The node behind the RPC URL answers for another chain."""

    def __init__(self, *, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"the RPC node answers for chain {found}, not for chain {expected}; nothing is read or"
            " sent until the right chain is back. Check TEETEE_RPC_URL."
        )


class HeadIsStale(OracleRetryable):
    """The newest block is too old: the node lags, or the chain has stopped."""

    def __init__(self, *, age: int, limit: int) -> None:
        self.age, self.limit = age, limit
        super().__init__(
            f"the newest block is {age} s old (limit {limit} s); no work starts on such a view."
            " Check the RPC node, or raise TEETEE_STALE_HEAD_SECONDS for a slow test chain."
        )


class HeadWentBack(OracleRetryable):
    """The newest block is older than one that was seen before, perhaps before a restart."""

    def __init__(self, *, found: int, highest: int) -> None:
        self.found, self.highest = found, highest
        super().__init__(
            f"the newest block is {found}, and block {highest} was seen before; nothing is read at"
            " an older block. The RPC nodes lag, or show the past. If the chain itself was"
            " replaced, choose another data directory."
        )


class EtherIsShort(OracleRetryable):
    """The signer's account cannot pay for the next transaction."""

    def __init__(self, *, address: str, balance: int, needed: int) -> None:
        self.address, self.balance, self.needed = address, balance, needed
        super().__init__(
            f"the signer {address} has {balance} wei and needs {needed} wei for gas;"
            f" send it at least {needed - balance} wei. The transaction is retried until the"
            " deadline."
        )


class GasTooDear(OracleRetryable):
    """The node takes no transaction at the price that the operator pays at most."""

    def __init__(self, *, needed: int, limit: int) -> None:
        self.needed, self.limit = needed, limit
        super().__init__(
            f"gas costs {needed / 1e9:g} gwei, and TEETEE_MAX_FEE_GWEI allows {limit / 1e9:g};"
            " the transaction is retried until the deadline. Raise the limit if this lasts."
        )


class NotConfirmed(OracleRetryable):
    """A transaction was sent and is not confirmed in time."""

    def __init__(self, *, action: str, transaction: str) -> None:
        self.action, self.transaction = action, transaction
        super().__init__(
            f"the transaction {transaction} ({action}) is not confirmed yet;"
            " the request's state is read again before anything else is sent."
        )


class OracleFatal(Fatal):
    """Does not go away by retrying."""


class SettingsInvalid(OracleFatal):
    """Some settings are missing or invalid."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 setting is" if len(self.problems) == 1 else f"{len(self.problems)} settings are"
        listed = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(
            f"{count} missing or invalid:{listed}\n`python -m oracle settings` describes them all."
        )


class StartUpRefused(OracleFatal):
    """This process must not serve: it does not match what the chain publishes."""

    def __init__(self, *, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}. {remedy}")


class Rejected(OracleFatal):
    """The escrow refuses a transaction. Simulation found it, so no gas was spent."""

    def __init__(self, *, action: str, reason: str) -> None:
        self.action, self.reason = action, reason
        super().__init__(
            f"the escrow refuses {action}: {reason}. The request's state is read again; if it stays"
            " open, it is declined before its deadline."
        )


class JournalUnreadable(OracleFatal):
    """A record in the journal that this program did not write."""

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(f"the journal holds {what}; it is ignored, and the answer computed again.")


class Stopped(BaseException):
    """The process stops. Its next start finds the request on chain."""
