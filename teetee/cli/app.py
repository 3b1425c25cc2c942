# SPDX-License-Identifier: Apache-2.0
"""The command tree."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from teetee.cli.commands.ask import ASK_EPILOG, RESUME_EPILOG, ask, resume
from teetee.cli.commands.collateral import collateral
from teetee.cli.commands.host import host
from teetee.cli.commands.image import image
from teetee.cli.commands.quote import quote
from teetee.cli.commands.shards import MODELS_EPILOG, SHARDS_EPILOG, models, shards
from teetee.cli.commands.verify import EPILOG as VERIFY_EPILOG
from teetee.cli.commands.verify import verify
from teetee.cli.commands.wallet import wallet
from teetee.cli.options import DeploymentOption, NetworkOption, RpcOption
from teetee.cli.session import connection_settings

EXAMPLES = """
[bold]Begin[/bold]

  $ teetee wallet create               a key, in an encrypted file

  $ teetee wallet faucet               some TEE, on test networks

  $ teetee ask "Why is the sky blue?"  pays, waits, decrypts, verifies

[bold]Look[/bold]

  $ teetee shards                      who serves which layers

  $ teetee verify 17                   re-checks request 17 from the chain

[bold]Exit codes[/bold]

  0 done, 1 failed check or fatal error, 2 wrong usage, 75 try again later
"""

application = typer.Typer(
    name="teetee",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
application.command(epilog=ASK_EPILOG)(ask)
application.command(epilog=RESUME_EPILOG)(resume)
application.command(epilog=VERIFY_EPILOG)(verify)
application.command(epilog=MODELS_EPILOG)(models)
application.command(epilog=SHARDS_EPILOG)(shards)
application.add_typer(wallet, name="wallet")
application.add_typer(host, name="host")
application.add_typer(quote, name="quote")
application.add_typer(collateral, name="collateral")
application.add_typer(image, name="image")


@application.callback(epilog=EXAMPLES)
def teetee(
    context: typer.Context,
    network: NetworkOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
) -> None:
    """Ask a model that no single machine holds: private, paid and proven on a chain."""
    context.obj = connection_settings(network, deployment, rpc)


def main() -> None:
    """Entry point of the `teetee` command."""
    application(prog_name=Path(sys.argv[0]).name)
