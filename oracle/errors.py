# SPDX-License-Identifier: Apache-2.0
"""Everything that the oracle raises.

    TeeTeeError
    ├── Retryable                      the same call may succeed later
    │   ├── OracleRetryable
    │   │   ├── WrongChainNow          the node answers for another chain than at start-up
    │   │   ├── HeadIsStale            the node's newest block is too old to be believed
    │   │   ├── NoPath                 no active shards tile the model
    │   │   ├── EtherIsShort           the signer cannot pay for gas
    │   │   └── NotConfirmed           sent, but not confirmed in time
    └── Fatal                          a person or another request has to change something
        └── OracleFatal
            ├── SettingsInvalid        every missing or invalid setting, at once
            ├── StartUpRefused         what this process holds is not what the chain published
            ├── Rejected               the escrow refuses a transaction
            ├── IllegalTransition      a fault in this program
            └── JournalUnreadable      the journal holds something that this program did not write

`Stopped` is no error: it unwinds a request's work when the process is asked to stop, and derives
from BaseException so that nothing (DBOS included) takes it for the work's outcome.

No message ever holds a prompt, an answer, a key or a value of a setting.
"""

from collections.abc import Sequence

from teetee.errors import Fatal, Retryable


class OracleRetryable(Retryable):
    """May succeed later without anybody's help, or after an operator's."""


class WrongChainNow(OracleRetryable):
    """The node behind the RPC address speaks for another chain."""

    def __init__(self, *, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"the RPC node answers for chain {found}, not for chain {expected}; nothing is read or"
            " sent until it is back. Check TEETEE_RPC_URL."
        )


class HeadIsStale(OracleRetryable):
    """The newest block is old: the node lags or the chain stands still."""

    def __init__(self, *, age: int, limit: int) -> None:
        self.age, self.limit = age, limit
        super().__init__(
            f"the newest block is {age} s old (limit {limit} s); no work is started on such a view."
            " Check the RPC node, or raise TEETEE_STALE_HEAD_SECONDS for a slow test chain."
        )


class NoPath(OracleRetryable):
    """Active shards do not tile `[0, layers)` of the model."""

    def __init__(self, *, model_id: int, layers: int) -> None:
        self.model_id, self.layers = model_id, layers
        super().__init__(
            f"no active shards of model {model_id} tile its layers [0, {layers}) from this entry;"
            " a host has to enrol or renew the missing ones."
        )


class EtherIsShort(OracleRetryable):
    """The signer's account cannot pay for the next transaction."""

    def __init__(self, *, address: str, balance: int, needed: int) -> None:
        self.address, self.balance, self.needed = address, balance, needed
        super().__init__(
            f"the signer {address} has {balance} wei and needs {needed} wei for gas;"
            f" send at least {needed - balance} wei to it. Retried until the deadline."
        )


class NotConfirmed(OracleRetryable):
    """A transaction was sent and is not confirmed yet."""

    def __init__(self, *, action: str, transaction: str) -> None:
        self.action, self.transaction = action, transaction
        super().__init__(
            f"the transaction {transaction} ({action}) is not confirmed yet;"
            " the request's state is asked again before anything else is sent."
        )


class OracleFatal(Fatal):
    """Does not go away by trying again."""


class SettingsInvalid(OracleFatal):
    """Some settings are missing or wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(
            f"{len(self.problems)} setting(s) are missing or invalid:{listed}"
            "\nSee `python -m oracle settings`."
        )


class StartUpRefused(OracleFatal):
    """This process must not serve: what it holds is not what the chain says."""

    def __init__(self, *, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}. {remedy}")


class Rejected(OracleFatal):
    """The escrow refuses what was to be sent; found by simulation, so no gas was spent."""

    def __init__(self, *, action: str, reason: str) -> None:
        self.action, self.reason = action, reason
        super().__init__(
            f"the escrow refuses {action}: {reason}. The request's state is asked again; if it"
            " stays open, it is declined before its deadline."
        )


class IllegalTransition(OracleFatal):
    """An event that cannot happen in this state."""

    def __init__(self, *, state: str, event: str) -> None:
        self.state, self.event = state, event
        super().__init__(
            f"a request in state {state} cannot take the event {event}; nothing was changed."
        )


class JournalUnreadable(OracleFatal):
    """A journal record is not one that this program writes."""

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(
            f"the journal holds {what}; stop the process, move the data directory away and start"
            " again: open requests are found on chain."
        )


class Stopped(BaseException):
    """The process was asked to stop; the request stays in the journal and goes on after the next
    start.
    """
