# SPDX-License-Identifier: Apache-2.0
"""The command tree: names, summaries, and the module behind each name."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from teetee.cli.lazy_group import LazyCommand, lazy_group
from teetee.cli.options import DeploymentOption, NetworkOption, QuorumOption, RpcOption
from teetee.cli.output.help_text import unwrapped
from teetee.cli.session import CONTEXT_SETTINGS, FAILED, connection_settings, typed_connection
from teetee.standard_streams import run_with_streams

ASK, LOOK, HOST = "Ask", "Look and check", "Host and inspect"

COMMANDS = {
    "ask": LazyCommand(
        "teetee.cli.commands.ask:ask_app", "Ask a model a question and pay for the answer.", ASK
    ),
    "resume": LazyCommand(
        "teetee.cli.commands.ask:resume_app", "List unread requests, or continue one.", ASK
    ),
    "history": LazyCommand(
        "teetee.cli.commands.history:app", "List this wallet's requests, and what they cost.", ASK
    ),
    "wallet": LazyCommand(
        "teetee.cli.commands.wallet:wallet", "Create a wallet, fund it, see what it owns.", ASK
    ),
    "models": LazyCommand(
        "teetee.cli.commands.shards:models_app", "List the published models and their prices.", LOOK
    ),
    "shards": LazyCommand(
        "teetee.cli.commands.shards:shards_app", "List who serves which layers of a model.", LOOK
    ),
    "verify": LazyCommand(
        "teetee.cli.commands.verify:app", "Check a request again, from the chain alone.", LOOK
    ),
    "host": LazyCommand(
        "teetee.cli.commands.host.app:host", "Run an enclave, enrol it and earn.", HOST
    ),
    "quote": LazyCommand(
        "teetee.cli.commands.quote:quote", "Inspect and check a TDX or SGX quote.", HOST
    ),
    "collateral": LazyCommand(
        "teetee.cli.commands.collateral:collateral", "Show or update the chain's collateral.", HOST
    ),
    "image": LazyCommand(
        "teetee.cli.commands.image:image", "Compute what an enclave's image measures as.", HOST
    ),
}

EXAMPLES = """
[bold]First steps[/bold]
$ teetee wallet create               make a key, in an encrypted file
$ teetee wallet faucet               get some TEE, on test networks
$ teetee ask "Why is the sky blue?"  pay, wait, decrypt, verify

[bold]Look around[/bold]
$ teetee shards                      who serves which layers
$ teetee verify 17                   check request 17 from the chain

[bold]Exit codes[/bold]
0 done, 1 failed check or fatal error, 2 wrong usage, 75 try again later
"""

application = typer.Typer(
    name="teetee",
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings=CONTEXT_SETTINGS,
)


HELP = """
Ask a language model that no single machine holds.

Each machine runs a few of the model's layers in a TEE. Questions are encrypted, paid per token on a
chain, and every answer can be verified.
"""


@application.callback(help=unwrapped(HELP), epilog=EXAMPLES)
def teetee(
    context: typer.Context,
    network: NetworkOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    quorum: QuorumOption = None,
) -> None:
    """Options before the command hold for it as well."""
    typed = typed_connection(
        context, network=network, deployment=deployment, rpc=rpc, quorum=quorum
    )
    context.obj = typed.or_else(connection_settings(network, deployment, rpc, quorum))


def main() -> None:
    """Entry point of the `teetee` command."""
    run_with_streams(lambda: application(prog_name=Path(sys.argv[0]).name), FAILED)
