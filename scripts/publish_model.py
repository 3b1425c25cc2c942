# SPDX-License-Identifier: Apache-2.0
"""`ape run publish_model`: publishes a model's digests, prices and allowed images."""

from pathlib import Path

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from administration.chain.contracts import deployment_option, open_contracts
from administration.chain.networks import connected_network
from administration.chain.sender import account_option, find_account
from administration.chain.transactions import send
from administration.deployment.trust import trust_model
from administration.errors import friendly_errors
from administration.option_types import ADDRESS, AMOUNT, BASIS_POINTS, BYTES32
from administration.output.json_output import json_option, print_result
from administration.policy.evaluation_number import (
    MAX_EVALUATION_NUMBER,
    proposed_evaluation_number,
)
from teetee.protocol.manifest import ModelManifest

HELP = """Publish a model: its digests, its prices, and the images that may run it.

`python -m shard_tools digest MODEL` writes the manifest. Prices are in tokens per LLM token.
The model and its images are added to the deployment file, which tells wallets what they may trust.

\b
    ape run publish_model --manifest manifest.json --input-price 0.0001 --output-price 0.0003 \\
        --royalty-bps 500 --royalty-recipient 0x… --entry-layer-equivalents 8 --measurement 0x…

Its attestation policy accepts the TCB status UpToDate alone, as every new model's does
(INITIAL_STATUSES in contracts/registry/ModelAdministration.sol). Up to date by which of Intel's
recoveries, --minimum-evaluation-number says. ShardRegistry enforces both at enrolment, renewal and
recheck; `ape run admin policy` shows them.

Needs the role PUBLISHER. Only prices, measurements and policy can be changed later: `ape run
admin`.
"""


@click.command(cls=ConnectedProviderCommand, help=HELP)
@account_option
@deployment_option
@json_option
@click.option(
    "--manifest",
    "manifest_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The model's digests, as JSON.",
)
@click.option("--manifest-uri", default="", help="Where the public can read that file.")
@click.option(
    "--input-price", default="0.0001", show_default=True, type=AMOUNT, help="Per prompt token."
)
@click.option(
    "--output-price", default="0.0003", show_default=True, type=AMOUNT, help="Per answer token."
)
@click.option(
    "--entry-layer-equivalents",
    default=2,
    show_default=True,
    type=click.IntRange(0, 0xFFFF),
    help="Weight of embedding and head in an entry's share, in whole layers.",
)
@click.option(
    "--royalty-bps",
    type=BASIS_POINTS,
    default=0,
    show_default=True,
    help="The publisher's, in 1/10000.",
)
@click.option(
    "--royalty-recipient", type=ADDRESS, help="Account that receives it.  [default: the sender]"
)
@click.option(
    "--measurement",
    "measurements",
    type=BYTES32,
    multiple=True,
    help="Measurement of an image that may run the model; repeatable. Without one, no shard can "
    "enrol yet.",
)
@click.option(
    "--minimum-evaluation-number",
    type=click.IntRange(0, MAX_EVALUATION_NUMBER),
    help="The oldest of Intel's sets of collateral that counts; 0: every one that Intel keeps in "
    "force, for up to fifteen months.  [default: the highest number of which the chain has "
    "collateral in force]",
)
@friendly_errors
def cli(
    provider: ProviderAPI,
    account_name: str | None,
    deployment_path: Path | None,
    as_json: bool,
    manifest_path: Path,
    manifest_uri: str,
    input_price: int,
    output_price: int,
    entry_layer_equivalents: int,
    royalty_bps: int,
    royalty_recipient: str | None,
    measurements: tuple[bytes, ...],
    minimum_evaluation_number: int | None,
) -> None:
    """See HELP."""
    manifest = ModelManifest.from_json(manifest_path.read_text())
    network = connected_network(provider)
    contracts = open_contracts(network, deployment_path)
    account = find_account(account_name, network)
    if minimum_evaluation_number is None:
        now = int(provider.get_block("pending").timestamp)
        minimum_evaluation_number = proposed_evaluation_number(contracts, now)
    parameters = {
        "name": manifest.name,
        "layerDigests": list(manifest.layer_digests),
        "embeddingDigest": manifest.embedding_digest,
        "headDigest": manifest.head_digest,
        "contextLength": manifest.context_length,
        "entryLayerEquivalents": entry_layer_equivalents,
        "inputPrice": input_price,
        "outputPrice": output_price,
        "royaltyBps": royalty_bps,
        "royaltyRecipient": royalty_recipient or account.address,
        "minimumEvaluationNumber": minimum_evaluation_number,
        "manifestURI": manifest_uri,
    }
    receipt = send(account, contracts.registry, "publishModel", parameters, list(measurements))
    (published,) = receipt.decode_logs(contracts.registry.ModelPublished)
    trust_model(contracts, int(published.modelId), manifest, measurements)
    print_result(
        {
            "modelId": int(published.modelId),
            "name": manifest.name,
            "layerCount": manifest.layer_count,
            "minimumEvaluationNumber": minimum_evaluation_number,
            "measurements": ["0x" + measurement.hex() for measurement in measurements],
            "transaction": receipt.txn_hash,
            "gasUsed": int(receipt.gas_used),
        },
        as_json,
    )
