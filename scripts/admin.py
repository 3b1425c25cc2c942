# SPDX-License-Identifier: Apache-2.0
"""`ape run admin …`: what the holders of roles do, and what everybody can see of it.

Images and platforms are in `_attestation_acts`, policies in `_policy_acts`.
"""

from typing import Any

import click
from ape.api import ProviderAPI
from rich.console import Console

import administration.attestation.commands
import administration.policy.commands  # noqa: F401 (both add their acts to the group)
from administration.chain.transactions import send
from administration.command_group import act, cli, model_option, view, wait_option
from administration.option_types import ADDRESS, AMOUNT, BYTES32, DURATION
from administration.output.tables import show_announcements, show_roles, show_status
from administration.roles.history import announcement, announcements, members
from administration.roles.holders import ROLE_NAMES, notice_for
from administration.roles.restricted_calls import Act, Administration, Outcome

__all__ = ["cli"]

input_price_option = click.option("--input-price", type=AMOUNT, required=True)
output_price_option = click.option("--output-price", type=AMOUNT, required=True)
role_argument = click.argument(
    "role", type=click.Choice(list(ROLE_NAMES.values()), case_sensitive=False)
)
account_argument = click.argument("holder", type=ADDRESS)


# ---------------------------------------------------------------- what is


@view()
def status(_provider: ProviderAPI, network: Any, contracts: Any) -> None:
    """Requests, money, models, shards."""
    show_status(Console(), network, contracts)


@view()
def roles(provider: ProviderAPI, _network: Any, contracts: Any) -> None:
    """Who holds which role, and how much notice it has to give."""
    show_roles(Console(), members(provider, contracts))


@view()
def pending(provider: ProviderAPI, _network: Any, contracts: Any) -> None:
    """What is announced and not done yet."""
    now = int(provider.get_block("pending").timestamp)
    found = announcements(provider, contracts)
    show_announcements(Console(), contracts, found, now)


# ---------------------------------------------------------------- prices


@act(model_option, input_price_option, output_price_option, wait_option)
def raise_prices(
    administration: Administration, model_id: int, input_price: int, output_price: int, wait: bool
) -> Outcome:
    """Ask for more per LLM token. With notice (NOTICE_GIVER)."""
    prices = (model_id, input_price, output_price)
    return administration.perform(Act(administration.registry, "raisePrices", prices), wait)


@act(model_option, input_price_option, output_price_option)
def lower_prices(
    administration: Administration, model_id: int, input_price: int, output_price: int
) -> Outcome:
    """Ask for less per LLM token, at once (PUBLISHER)."""
    return administration.perform(
        Act(administration.registry, "lowerPrices", (model_id, input_price, output_price))
    )


# ---------------------------------------------------------------- requests and money


@act()
def pause(administration: Administration) -> Outcome:
    """Admit no new requests, at once (GUARDIAN). Settlements, refunds, withdrawals go on."""
    return administration.perform(Act(administration.escrow, "pauseRequests"))


@act()
def unpause(administration: Administration) -> Outcome:
    """Admit requests again, at once (PUBLISHER)."""
    return administration.perform(Act(administration.escrow, "unpauseRequests"))


@act()
def withdraw_treasury(administration: Administration) -> Outcome:
    """Pay the treasury what it has earned. By anybody."""
    escrow = administration.escrow
    return Outcome(send(administration.account, escrow, "withdraw", escrow.TREASURY()))


# ---------------------------------------------------------------- roles


@act(click.argument("operation", type=BYTES32))
def cancel(administration: Administration, operation: bytes) -> Outcome:
    """Cancel an announcement: one's own, a NOTICE_GIVER's as GUARDIAN, or any as ADMIN."""
    found = announcement(administration.provider, administration.contracts, operation)
    arguments = (found.caller, found.target, found.data)
    return Outcome(send(administration.account, administration.manager, "cancel", *arguments))


@act(
    role_argument,
    account_argument,
    click.option("--notice", type=DURATION, help="It has to give.  [default: as at deployment]"),
    wait_option,
)
def grant_role(
    administration: Administration, role: str, holder: str, notice: int | None, wait: bool
) -> Outcome:
    """Give an account a role, or another notice. With notice (ADMIN).

    A shorter notice than before takes effect only after the difference has passed.
    """
    role_id = _role_id(role)
    delay = notice_for(role_id, notice, administration.network.terms_of)
    granted = (role_id, holder, delay)
    return administration.perform(Act(administration.manager, "grantRole", granted), wait)


@act(role_argument, account_argument, wait_option)
def revoke_role(administration: Administration, role: str, holder: str, wait: bool) -> Outcome:
    """Take a role from an account. With notice (ADMIN)."""
    return administration.perform(
        Act(administration.manager, "revokeRole", (_role_id(role), holder)), wait
    )


def _role_id(name: str) -> int:
    return next(role for role, known in ROLE_NAMES.items() if known == name.upper())
