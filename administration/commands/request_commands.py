# SPDX-License-Identifier: Apache-2.0
"""`ape run admin …` for the escrow: admitting requests, and the treasury's earnings."""

from administration.chain.transactions import send
from administration.commands.group import REQUESTS, change
from administration.roles.restricted_calls import Administrator, Outcome, RestrictedCall


@change(REQUESTS)
def pause(administrator: Administrator) -> Outcome:
    """Stop admitting requests; immediately (GUARDIAN).

    Settlements, refunds and withdrawals continue.
    """
    return administrator.perform(RestrictedCall(administrator.escrow, "pauseRequests"))


@change(REQUESTS)
def unpause(administrator: Administrator) -> Outcome:
    """Admit requests again; immediately (PUBLISHER)."""
    return administrator.perform(RestrictedCall(administrator.escrow, "unpauseRequests"))


@change(REQUESTS)
def withdraw_treasury(administrator: Administrator) -> Outcome:
    """Pay the treasury its earnings (any account)."""
    escrow = administrator.escrow
    return Outcome(send(administrator.account, escrow, "withdraw", escrow.TREASURY()))
