"""`ape run enroll_shard`: an attested enclave becomes a shard on the chain, by its host."""

from pathlib import Path

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from scripts._contracts import deployment_option, open_contracts
from scripts._enrolment import Enrolling
from scripts._enrolment_document import read_document, write_document
from scripts._errors import plainly
from scripts._json_output import json_option, tell
from scripts._networks import connected_network
from scripts._option_types import ADDRESS
from scripts._sender import account_option, sender
from teetee.client.hosting.enclave_statement import Occasion, ask_enclave
from teetee.protocol.endpoint import Endpoint

HELP = """Enrol an enclave as a shard, as `teetee host enrol` does, from an ape account.

\b
Asking the enclave for a fresh quote:
    ape run enroll_shard --enclave 10.0.0.7:7443 --endpoint shard.example.org:7443
In two steps, where the host's key and the enclave are apart:
    ape run enroll_shard --enclave 10.0.0.7:7443 --write enrolment.json
    ape run enroll_shard --document enrolment.json

Also stores the platform's certificates, if they are new, and approves the bond. The quote is over a
recent block: a document serves for some hours.
"""


@click.command(cls=ConnectedProviderCommand, help=HELP)
@account_option
@deployment_option
@json_option
@click.option("--enclave", metavar="HOST:PORT", help="Where the enclave listens now.")
@click.option("--endpoint", help="Where others will find it.  [default: as --enclave]")
@click.option(
    "--payout", type=ADDRESS, help="Where the host's earnings go.  [default: as before, or itself]"
)
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What an enclave has answered already, instead of --enclave.",
)
@click.option(
    "--write",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the answer in this file, and send nothing.",
)
@plainly
def cli(
    provider: ProviderAPI,
    account_name: str | None,
    deployment_path: Path | None,
    as_json: bool,
    enclave: str | None,
    endpoint: str | None,
    payout: str | None,
    document: Path | None,
    write: Path | None,
) -> None:
    """See HELP."""
    if (enclave is None) == (document is None):
        raise click.UsageError("Name either an --enclave or a --document.")
    network = connected_network(provider)
    contracts = open_contracts(network, deployment_path)
    enrolling = Enrolling(contracts, sender(account_name, network))
    if document is not None:
        occasion, statement = read_document(document)
    else:
        listening_at = Endpoint.parse(str(enclave))
        head = provider.get_block("latest")
        occasion = Occasion(
            block_number=int(head.number),
            block_hash=bytes(head.hash),
            endpoint=endpoint or str(listening_at),
            payout=enrolling.payout(payout),
        )
        statement = ask_enclave(listening_at, occasion)
    enrolling.check(occasion, statement)
    if write is not None:
        write_document(write, occasion, statement)
        click.echo(f"Written to {write}", err=True)
        return
    tell(enrolling.enrol(occasion, statement), as_json)
