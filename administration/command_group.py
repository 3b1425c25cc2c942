# SPDX-License-Identifier: Apache-2.0
"""The group of `ape run admin`: how its acts and its views become subcommands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from administration.chain.contracts import deployment_option, open_contracts
from administration.chain.networks import connected_network
from administration.chain.sender import account_option, sender
from administration.errors import plainly
from administration.output.tables import time_text
from administration.roles.restricted_calls import Administration, Outcome

Register = Callable[[Callable[..., Any]], None]

model_option = click.option("--model", "model_id", type=click.IntRange(1), required=True)
wait_option = click.option("--wait", is_flag=True, help="Wait until the notice is over.")


@click.group()
def cli() -> None:
    """Administer a deployment.

    An act that needs notice is announced by the first call, and done by the same call once the
    notice is over; --wait does both. All acts are public, and `pending` lists what is to come.
    """


def act(*options: Callable[..., Any]) -> Register:
    """Make a subcommand of a function whose first argument is the `Administration`."""

    def register(function: Callable[..., Any]) -> None:
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
                _tell(_name(function), outcome)

        _add(function, callback, (account_option, deployment_option, *options))

    return register


def view(*options: Callable[..., Any]) -> Register:
    """Make a subcommand which sends nothing, of a function with provider, network, contracts."""

    def register(function: Callable[..., Any]) -> None:
        def callback(provider: ProviderAPI, deployment_path: Path | None, **given: Any) -> None:
            network = connected_network(provider)
            function(provider, network, open_contracts(network, deployment_path), **given)

        _add(function, callback, (deployment_option, *options))

    return register


def _add(
    function: Callable[..., Any],
    callback: Callable[..., None],
    options: tuple[Callable[..., Any], ...],
) -> None:
    callback.__doc__ = function.__doc__
    command: Callable[..., Any] = plainly(callback)
    for option in reversed(options):
        command = option(command)
    cli.command(_name(function), cls=ConnectedProviderCommand)(command)


def _name(function: Callable[..., Any]) -> str:
    return function.__name__.replace("_", "-")


def _tell(name: str, outcome: Outcome) -> None:
    if outcome.ready_at is None:
        click.echo(f"Done: {name}, transaction {outcome.receipt.txn_hash}")
    else:
        click.echo(
            f"Announced: {name}. Repeat the same command from {time_text(outcome.ready_at)} UTC on."
        )
