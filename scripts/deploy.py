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
from administration.chain.networks import Network, connected_network, is_temporary_chain
from administration.chain.sender import account_option, find_account, require_funds
from administration.deployment.deployer import GAS, Deployed, Deployer
from administration.deployment.holders import holder_options, holders_for
from administration.deployment.root_ca import RootCa, root_ca_for
from administration.deployment.sources import compile_afresh
from administration.deployment.terms import terms_for, terms_options
from administration.deployment.verifiers import VerifierChoice, verifier_for, verifier_options
from administration.deployment.wiring import check_wiring
from administration.errors import AlreadyDeployed, NotPublished, friendly_errors
from teetee.chain.deployment import Deployment
from teetee.chain.errors import NotDeployed

SOURCIFY = "https://sourcify.dev/server"
HOLDERS = ("admin", "publisher", "notice_giver", "guardian", "treasury")

HELP = """Deploy the contracts, set the roles, verify both, and write the deployment file.

\b
A dry run, on a temporary chain that ends with the command:
    ape run deploy
A running anvil, on port 8545:
    APE_FOUNDRY_HOST=http://127.0.0.1:8545 ape run deploy
Base Sepolia, from an ape account:
    export BASE_SEPOLIA_RPC=https://…  APE_ACCOUNTS_deployer_PASSPHRASE=…
    ape run deploy --network base:sepolia:node --account deployer --verify

\b
The same, with quotes verified by Automata's contract and its collateral:
    ape run deploy --network base:sepolia:node --account deployer --verifier automata

Without --root-ca, quotes must chain to Intel's root; on a local chain, to tee_simulator's root in
build/simulator/pki, which is created if missing.

Afterwards only the holders of roles can make restricted calls, with the delays of their roles. The
deployer keeps only the roles that it was named for.

Three defaults are those of a local chain, base-sepolia and base-mainnet. A fork
(base:sepolia-fork:foundry) has the terms of the network it forks, and its deployment file under
build/deployments.
"""


@click.command(cls=ConnectedProviderCommand, help=HELP)
@account_option
@deployment_option
@click.option(
    "--root-ca",
    "root_ca_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Root certificate of the quotes, PEM or DER, instead of the network's.",
)
@click.option(
    "--i-know-quotes-can-be-forged",
    "accept_forgeries",
    is_flag=True,
    help="Accept a root other than Intel's on a live network.",
)
@click.option("--replace", is_flag=True, help="Deploy again where a deployment exists.")
@click.option("--verify", is_flag=True, help="Publish the sources at sourcify.dev.")
@verifier_options
@holder_options
@terms_options
@friendly_errors
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
    choice = verifier_for(network, verifier, automata)
    terms = terms_for(network.terms_of, {k: v for k, v in given.items() if k not in HOLDERS})
    account = find_account(account_name, network)
    deployer = str(account.address)
    holders = holders_for(network, deployer, {name: given[name] for name in HOLDERS})
    require_funds(account, provider, GAS)
    compile_afresh(project)

    run = Deployer(project, account, terms, holders, root_ca, choice, console.print)
    deployed = run.run()
    facts = check_wiring(deployed, terms, holders, root_ca, choice, deployer)
    console.print(f"Checked {facts} facts on the chain: all as intended.")
    # A temporary chain leaves no file, unless one was asked for.
    is_kept = not is_temporary_chain(provider) or deployment_path is not None
    if is_kept:
        deployed.as_deployment(network, root_ca).save(path)
    _report(console, deployed, root_ca, choice, path if is_kept else None)
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
    console: Console, deployed: Deployed, root_ca: RootCa, choice: VerifierChoice, path: Path | None
) -> None:
    for name, contract in deployed.publishable.items():
        console.print(f"{name:<20} {contract.address}", highlight=False)
    if path is not None:
        console.print(f"Written to {path}", soft_wrap=True, highlight=False)
    else:
        console.print(
            "[yellow]This chain ends with the command, so no deployment file was written. To keep "
            "one, start anvil and set APE_FOUNDRY_HOST to its address.[/]"
        )
    if choice.automata is not None:
        console.print(
            f"[yellow]Quotes are verified by Automata's contract {choice.automata} with its own "
            "collateral: its owner is trusted in addition to Intel. `teetee collateral` has no "
            "effect here, and no policy may set a maximum collateral age.[/]",
            highlight=False,
        )
    if not root_ca.is_intel:
        console.print("[yellow]SIMULATED: quotes chain to a test root and prove nothing.[/]")


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
