# SPDX-License-Identifier: Apache-2.0
"""`ape run deploy`: contracts, roles, the deployment file."""

import sys
from pathlib import Path
from typing import Any

import click
from ape import project
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand
from ape.exceptions import ApeException
from ape_sourcify.client import SourcifyClient
from ape_sourcify.explorer import Sourcify
from rich.console import Console

from administration.chain.contracts import deployment_option
from administration.chain.networks import Network, connected_network
from administration.chain.sender import account_option, require_funds, sender
from administration.deployment.deployer import GAS, Deployed, Deployer
from administration.deployment.root_ca import RootCa, root_ca_for
from administration.deployment.sources import compile_afresh
from administration.deployment.terms import terms_for, terms_options
from administration.deployment.verifiers import Verifier, verifier_for, verifier_options
from administration.deployment.wiring import check_wiring
from administration.errors import AlreadyDeployed, NotPublished, plainly
from administration.roles.holders import holder_options, holders_for
from teetee.chain.deployment import Deployment
from teetee.chain.errors import NotDeployed

SOURCIFY = "https://sourcify.dev/server"
HOLDERS = ("admin", "publisher", "notice_giver", "guardian", "treasury")

HELP = """Deploy the contracts, set the roles, read all of it back, and write the deployment file.

\b
A chain of its own, gone with the command (a rehearsal):
    ape run deploy
An anvil that runs already, on port 8545:
    APE_FOUNDRY_HOST=http://127.0.0.1:8545 ape run deploy --network base:local:foundry
Base Sepolia, from an ape account:
    export BASE_SEPOLIA_RPC=https://…  APE_ACCOUNTS_deployer_PASSPHRASE=…
    ape run deploy --network base:sepolia:node --account deployer --verify

\b
The same, with quotes judged by Automata's contract and the collateral it has:
    ape run deploy --network base:sepolia:node --account deployer --verifier automata

Where --root-ca is left out, quotes have to chain to Intel's root; on a local chain to the root of
tee_simulator under build/simulator/pki, which is made if it is not there.

Afterwards everything restricted belongs to the holders of the roles, with the delays of the roles;
the deployer keeps nothing that it was not named for.

Defaults with three values are those of a local chain, of base-sepolia and of base-mainnet. A fork
(base:sepolia-fork:foundry) has the terms of what it forks, and its file under build/deployments.
"""


@click.command(cls=ConnectedProviderCommand, help=HELP)
@account_option
@deployment_option
@click.option(
    "--root-ca",
    "root_ca_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The root certificate of all quotes, PEM or DER, instead of the network's.",
)
@click.option(
    "--i-know-quotes-can-be-forged",
    "accept_forgeries",
    is_flag=True,
    help="On a live network accept a root other than Intel's.",
)
@click.option("--replace", is_flag=True, help="Forget a live deployment, and make a new one.")
@click.option("--verify", is_flag=True, help="Publish the sources at sourcify.dev.")
@verifier_options
@holder_options
@terms_options
@plainly
def cli(
    provider: ProviderAPI,
    account_name: str | None,
    deployment_path: Path | None,
    root_ca_path: Path | None,
    accept_forgeries: bool,
    replace: bool,
    verify: bool,
    verifier: str,
    automata: str | None,
    **given: Any,
) -> None:
    """See HELP."""
    console = Console()
    network = connected_network(provider)
    path = deployment_path or network.deployment_file
    _refuse_overwriting(network, path, replace)
    root_ca = root_ca_for(network, root_ca_path, accept_forgeries)
    judge = verifier_for(network, verifier, automata)
    terms = terms_for(network.terms_of, {k: v for k, v in given.items() if k not in HOLDERS})
    account = sender(account_name, network)
    deployer = str(account.address)
    holders = holders_for(network, deployer, {name: given[name] for name in HOLDERS})
    require_funds(account, provider, GAS)
    compile_afresh(project)

    run = Deployer(project, account, terms, holders, root_ca, judge, console.print)
    deployed = run.run()
    facts = check_wiring(deployed, terms, holders, root_ca, judge, deployer)
    console.print(f"Read back {facts} facts: all as meant.")
    # A chain that ends with the command leaves no file behind, unless one was asked for.
    lasts = getattr(provider, "process", None) is None or deployment_path is not None
    if lasts:
        deployed.as_deployment(network, root_ca).save(path)
    _report(console, deployed, root_ca, judge, path if lasts else None)
    if verify:
        _publish(deployed, provider)


def _refuse_overwriting(network: Network, path: Path, replace: bool) -> None:
    if not network.is_live or replace:
        return
    try:
        Deployment.load(path)
    except NotDeployed:
        return
    raise AlreadyDeployed(network.name, str(path))


def _report(
    console: Console, deployed: Deployed, root_ca: RootCa, judge: Verifier, path: Path | None
) -> None:
    shown = {**deployed.publishable, "AccessManager": deployed.access_manager}
    for name, contract in shown.items():
        console.print(f"{name:<16} {contract.address}", highlight=False)
    if path is not None:
        console.print(f"Written to {path}", soft_wrap=True, highlight=False)
    else:
        console.print(
            "[yellow]This chain ends with the command, so nothing was written down. Start anvil "
            "and name it in APE_FOUNDRY_HOST to keep one.[/]"
        )
    if judge.automata is not None:
        console.print(
            f"[yellow]Quotes are judged by Automata's contract {judge.automata}, with the "
            "collateral that it has: whoever owns it is trusted beside Intel. `teetee collateral` "
            "brings nothing here, and no policy may ask for an age of collateral.[/]",
            highlight=False,
        )
    if not root_ca.is_intel:
        console.print("[yellow]SIMULATED: quotes chain to a test root. Trust no answer with it.[/]")


def _publish(deployed: Deployed, provider: ProviderAPI) -> None:
    explorer = Sourcify(name="sourcify", network=provider.network)
    explorer.client = SourcifyClient(SOURCIFY)
    failed = []
    for name, contract in deployed.publishable.items():
        try:
            explorer.publish_contract(contract.address)
        except ApeException as error:
            click.echo(f"{name}: {error}", file=sys.stderr)
            failed.append(name)
    if failed:
        raise NotPublished(failed)
