# SPDX-License-Identifier: Apache-2.0
"""`teetee models` and `teetee shards`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from teetee.cli.network import QuoteSettings
from teetee.cli.output.help_text import epilog
from teetee.cli.session import Session, command_app, with_quote_settings, with_session

if TYPE_CHECKING:
    from teetee.client.hosting.shard_probe import Probe
    from teetee.client.shard_listing import ModelListing

models_app = command_app()
shards_app = command_app()

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="Number or name of a model. Default: all models."
    ),
]
MODELS_EPILOG = epilog(
    "teetee models",
    "teetee models --json",
)
SHARDS_EPILOG = epilog(
    "teetee shards",
    "teetee shards --probe                     do they answer?",
    "teetee shards --model 1 --all",
    "teetee shards --pccs https://pccs.example --json",
    notes="""
Layers 0-8 are the layers 0 to 7: the end is not included, as in --layers.
"Wanted" names layers that no shard serves, or only one.
""",
)


@models_app.command(epilog=MODELS_EPILOG)
@with_session
def models(session: Session) -> None:
    """List the published models and their prices."""
    printer, contracts = session.printer, session.contracts
    from teetee.cli.output.shard_view import model_json, print_models
    from teetee.client.shard_listing import list_models

    with printer.waiting("Reading the registry…"):
        listings = list_models(contracts, None, include_inactive=False)
    printer.result([model_json(listing) for listing in listings])
    if printer.as_json:
        return
    if not listings:
        printer.say("No model is published here.")
    print_models(printer, listings)


@shards_app.command(epilog=SHARDS_EPILOG)
@with_session
@with_quote_settings
def shards(
    session: Session,
    quotes: QuoteSettings,
    model: ModelOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also list shards that are retired, evicted or expired.")
    ] = False,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Connect to every shard and show whether it answers."),
    ] = False,
) -> None:
    """List who serves which layers of a model, and where more hosts are wanted.

    This is the registry's view: a registered shard may be down. Use --probe to find out.
    """
    printer, contracts = session.printer, session.contracts
    from teetee.cli.output.shard_view import listing_json, print_listing
    from teetee.client.shard_listing import list_models

    with printer.waiting("Reading the registry…"):
        listings = list_models(contracts, model, include_inactive=everything)
    statuses = _tcb_statuses(session, quotes, listings)
    probes = _probes(session, listings) if probe else None
    printer.result([listing_json(listing, statuses, probes) for listing in listings])
    if printer.as_json:
        return
    if not listings:
        printer.say("No model is published here.")
    for listing in listings:
        print_listing(printer, listing, statuses, probes)


def _tcb_statuses(
    session: Session, quotes: QuoteSettings, listings: list[ModelListing]
) -> dict[int, str]:
    """The TCB status of each active shard, or why there is none; empty without collateral."""
    from teetee.errors import TeeTeeError

    quote_check = quotes.quote_check(session.contracts)
    if quote_check is None:
        return {}
    statuses = {}
    active = [(shard, listing.at) for listing in listings for shard in listing.active]
    with session.printer.waiting("Checking quotes…") as progress:
        for number, (shard, at) in enumerate(active, start=1):
            progress(f"Checking the quote of shard {shard.shard_id} ({number} of {len(active)})…")
            try:
                core, pck_id = session.contracts.registry.quote(shard)
                verdict = quote_check.check(core, pck_id, at.timestamp)
                statuses[int(shard.shard_id)] = verdict.tcb_status
            except TeeTeeError as error:
                statuses[int(shard.shard_id)] = f"✗ {error}"
    return statuses


def _probes(session: Session, listings: list[ModelListing]) -> dict[int, Probe]:
    from teetee.cli.output.formats import plural
    from teetee.client.hosting.shard_probe import probe_shards

    active = [shard for listing in listings for shard in listing.active]
    with session.printer.waiting(f"Connecting to {plural(len(active), 'shard')}…"):
        return probe_shards(active)
