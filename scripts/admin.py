"""`ape run admin …`: what the holders of roles do, and what everybody can see of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand
from rich.console import Console

from scripts._administration import Act, Administration, Outcome
from scripts._contracts import deployment_option, open_contracts
from scripts._errors import plainly
from scripts._history import announcement, announcements, members
from scripts._networks import connected_network
from scripts._option_types import ADDRESS, AMOUNT, BYTES32, DURATION
from scripts._roles import ROLE_NAMES, notice_for
from scripts._sender import account_option, sender
from scripts._tables import show_announcements, show_roles, show_status, time_text
from scripts._transactions import send
from teetee.chain.rejections import ContractRejected

model_option = click.option("--model", "model_id", type=click.IntRange(1), required=True)
measurement_option = click.option("--measurement", type=BYTES32, required=True)
input_price_option = click.option("--input-price", type=AMOUNT, required=True)
output_price_option = click.option("--output-price", type=AMOUNT, required=True)
wait_option = click.option("--wait", is_flag=True, help="Wait until the notice is over.")
role_argument = click.argument(
    "role", type=click.Choice(list(ROLE_NAMES.values()), case_sensitive=False)
)
account_argument = click.argument("holder", type=ADDRESS)


@click.group()
def cli() -> None:
    """Administer a deployment.

    An act that needs notice is announced by the first call, and done by the same call once the
    notice is over; --wait does both. All acts are public, and `pending` lists what is to come.
    """


def act(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], None]:
    """Make a subcommand of a function whose first argument is the `Administration`."""

    def register(function: Callable[..., Any]) -> None:
        name = function.__name__.replace("_", "-")

        def callback(
            provider: ProviderAPI,
            account_name: str | None,
            deployment_path: Path | None,
            **given: Any,
        ) -> None:
            network = connected_network(provider)
            contracts = open_contracts(network, deployment_path)
            account = sender(account_name, network)
            outcome = function(Administration(contracts, account, provider, network), **given)
            if isinstance(outcome, Outcome):
                _tell(name, outcome)

        callback.__doc__ = function.__doc__
        command: Callable[..., Any] = plainly(callback)
        for option in reversed((account_option, deployment_option, *options)):
            command = option(command)
        cli.command(name, cls=ConnectedProviderCommand)(command)

    return register


def view(function: Callable[..., None]) -> None:
    """Make a subcommand which sends nothing, of a function with provider and contracts."""

    def callback(provider: ProviderAPI, deployment_path: Path | None) -> None:
        network = connected_network(provider)
        function(provider, network, open_contracts(network, deployment_path))

    callback.__doc__ = function.__doc__
    command: Callable[..., Any] = deployment_option(plainly(callback))
    cli.command(function.__name__, cls=ConnectedProviderCommand)(command)


def _tell(name: str, outcome: Outcome) -> None:
    if outcome.ready_at is None:
        click.echo(f"Done: {name}, transaction {outcome.receipt.txn_hash}")
    else:
        click.echo(
            f"Announced: {name}. Repeat the same command from {time_text(outcome.ready_at)} UTC on."
        )


# ---------------------------------------------------------------- what is


@view
def status(_provider: ProviderAPI, network: Any, contracts: Any) -> None:
    """Requests, money, models, shards."""
    show_status(Console(), network, contracts)


@view
def roles(provider: ProviderAPI, _network: Any, contracts: Any) -> None:
    """Who holds which role, and how much notice it has to give."""
    show_roles(Console(), members(provider, contracts))


@view
def pending(provider: ProviderAPI, _network: Any, contracts: Any) -> None:
    """What is announced and not done yet."""
    now = int(provider.get_block("pending").timestamp)
    found = announcements(provider, contracts)
    show_announcements(Console(), contracts, found, now)


# ---------------------------------------------------------------- models


@act(model_option, measurement_option, wait_option)
def allow_measurement(
    administration: Administration, model_id: int, measurement: bytes, wait: bool
) -> Outcome:
    """Let an image run a model. With notice (NOTICE_GIVER)."""
    if administration.registry.isMeasurementAllowed(model_id, measurement):
        # announced now, it would fail when its time comes
        given = {"modelId": model_id, "measurement": measurement}
        raise ContractRejected("MeasurementAlreadyAllowed", given)
    allowed = (model_id, measurement)
    return administration.perform(Act(administration.registry, "allowMeasurement", allowed), wait)


@act(model_option, measurement_option)
def withdraw_measurement(
    administration: Administration, model_id: int, measurement: bytes
) -> Outcome:
    """End that, at once (GUARDIAN). Then anybody can evict who runs the image."""
    return administration.perform(
        Act(administration.registry, "withdrawMeasurement", (model_id, measurement))
    )


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


# ---------------------------------------------------------------- platforms


@act(click.argument("platform", type=BYTES32))
def deny_platform(administration: Administration, platform: bytes) -> Outcome:
    """Refuse all further quotes of a machine, at once (GUARDIAN)."""
    return administration.perform(Act(administration.registry, "denyPlatform", (platform,)))


@act(click.argument("platform", type=BYTES32), wait_option)
def readmit_platform(administration: Administration, platform: bytes, wait: bool) -> Outcome:
    """Accept them again. With notice (NOTICE_GIVER)."""
    return administration.perform(
        Act(administration.registry, "readmitPlatform", (platform,)), wait
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
