# SPDX-License-Identifier: Apache-2.0
"""What happens to transactions that are sent, for logs and metrics. Public data only."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from teetee.chain.transactions.fee_policy import Fees


class SendingStep(Enum):
    """A transaction is sent once, raised any number of times, and ends in one of the others."""

    SENT = "sent"
    RAISED = "raised"
    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    """Included, but refused by the contract; its gas is paid."""
    REPLACED = "replaced"
    """Another transaction has used its nonce."""
    GIVEN_UP = "given_up"
    """No caller waits for it any more. The next call takes its nonce, or a later one raises it."""


@dataclass(frozen=True, slots=True)
class SendingEvent:
    """One step of one transaction."""

    step: SendingStep
    function: str
    nonce: int
    fees: Fees
    gas_used: int = 0
    fee: int = 0
    """Wei paid for execution, if it is included."""


OnSending = Callable[[SendingEvent], None]
"""Called by the sending threads; must not raise."""


def ignore_event(_: SendingEvent) -> None:
    """For senders that are not observed."""
