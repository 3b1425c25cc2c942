# SPDX-License-Identifier: Apache-2.0
"""`ape run admin …` for roles, and for cancelling what was announced."""

import click

from administration.chain.transactions import send
from administration.commands.group import ROLES, change, wait_option
from administration.deployment.holders import notice_for
from administration.option_types import ADDRESS, BYTES32, DURATION
from administration.roles.history import announcement
from administration.roles.restricted_calls import Administrator, Outcome, RestrictedCall
from administration.roles.role_ids import ROLE_NAMES, role_id

role_argument = click.argument(
    "role", type=click.Choice(list(ROLE_NAMES.values()), case_sensitive=False)
)
account_argument = click.argument("holder", type=ADDRESS)


@change(
    ROLES,
    role_argument,
    account_argument,
    click.option(
        "--notice", type=DURATION, help="Notice it has to give.  [default: as at deployment]"
    ),
    wait_option,
)
def grant_role(
    administrator: Administrator, role: str, holder: str, notice: int | None, wait: bool
) -> Outcome:
    """Give an account a role, or change its notice; with notice (ADMIN).

    A shorter notice takes effect after the difference to the former one has passed.
    """
    delay = notice_for(role_id(role), notice, administrator.network.terms_of)
    granted = (role_id(role), holder, delay)
    return administrator.perform(RestrictedCall(administrator.manager, "grantRole", granted), wait)


@change(ROLES, role_argument, account_argument, wait_option)
def revoke_role(administrator: Administrator, role: str, holder: str, wait: bool) -> Outcome:
    """Remove a role from an account; with notice (ADMIN)."""
    revoked = (role_id(role), holder)
    return administrator.perform(RestrictedCall(administrator.manager, "revokeRole", revoked), wait)


@change(ROLES, click.argument("operation", type=BYTES32))
def cancel(administrator: Administrator, operation: bytes) -> Outcome:
    """Cancel an announcement: one's own, or any (GUARDIAN, ADMIN)."""
    found = announcement(administrator.provider, administrator.contracts, operation)
    arguments = (found.caller, found.target, found.data)
    return Outcome(send(administrator.account, administrator.manager, "cancel", *arguments))
