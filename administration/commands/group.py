# SPDX-License-Identifier: Apache-2.0
"""The group of `ape run admin`, and the decorators that make subcommands of functions."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from administration.chain.contracts import deployment_option, open_contracts
from administration.chain.networks import connected_network
from administration.chain.sender import account_option, find_account
from administration.errors import friendly_errors
from administration.output.tables import time_text
from administration.roles.restricted_calls import Administrator, Outcome

Register = Callable[[Callable[..., Any]], None]

# No help text is cut.
HELP_LIMIT = 1000

VIEWS = "See what is there"
MODELS = "Models: images and prices"
POLICIES = "Models: policies"
PLATFORMS = "Platforms"
REQUESTS = "Requests and money"
ROLES = "Roles and announcements"

model_option = click.option(
    "--model", "model_id", type=click.IntRange(1), required=True, help="The model's id."
)
wait_option = click.option("--wait", is_flag=True, help="Wait until the notice is over.")


class ThemedGroup(click.Group):
    """Lists its subcommands by theme, in the order in which they were added."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.themes: dict[str, list[str]] = defaultdict(list)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """By theme."""
        return [name for names in self.themes.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each theme."""
        for theme, names in self.themes.items():
            with formatter.section(theme):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(HELP_LIMIT)) for name in names]
                )


@click.group(cls=ThemedGroup)
def cli() -> None:
    """Administer a deployment.

    A change that needs notice is announced by the first call and done by the same call once the
    notice is over; --wait does both. Announcements are public: `pending` lists them. In brackets:
    the role that a command needs.
    """


def change(theme: str, *options: Callable[..., Any]) -> Register:
    """Make a subcommand of a function whose first argument is the `Administrator`."""

    def register(function: Callable[..., Any]) -> None:
        def callback(
            provider: ProviderAPI,
            account_name: str | None,
            deployment_path: Path | None,
            **given: Any,
        ) -> None:
            network = connected_network(provider)
            contracts = open_contracts(network, deployment_path)
            account = find_account(account_name, network)
            outcome = function(Administrator(contracts, account, provider, network), **given)
            if isinstance(outcome, Outcome):
                _print_outcome(_name(function), outcome)

        _add(theme, function, callback, (account_option, deployment_option, *options))

    return register


def view(*options: Callable[..., Any]) -> Register:
    """Make a subcommand that sends nothing, of a function with provider, network, contracts."""

    def register(function: Callable[..., Any]) -> None:
        def callback(provider: ProviderAPI, deployment_path: Path | None, **given: Any) -> None:
            network = connected_network(provider)
            function(provider, network, open_contracts(network, deployment_path), **given)

        _add(VIEWS, function, callback, (deployment_option, *options))

    return register


def _add(
    theme: str,
    function: Callable[..., Any],
    callback: Callable[..., None],
    options: tuple[Callable[..., Any], ...],
) -> None:
    callback.__doc__ = function.__doc__
    command: Callable[..., Any] = friendly_errors(callback)
    for option in reversed(options):
        command = option(command)
    cli.command(_name(function), cls=ConnectedProviderCommand)(command)
    cli.themes[theme].append(_name(function))


def _name(function: Callable[..., Any]) -> str:
    return function.__name__.replace("_", "-")


def _print_outcome(name: str, outcome: Outcome) -> None:
    if outcome.ready_at is None:
        click.echo(f"Done: {name}, transaction {outcome.receipt.txn_hash}")
    else:
        click.echo(
            f"Announced: {name}. Repeat the same command from {time_text(outcome.ready_at)} UTC on."
        )
