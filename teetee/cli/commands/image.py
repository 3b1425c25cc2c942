# SPDX-License-Identifier: Apache-2.0
"""`teetee image`: what an enclave's image will measure as."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teetee.cli.session import Session, with_session
from teetee.quotes.app_compose import AppCompose

image = typer.Typer(
    no_args_is_help=True,
    help="What an enclave's image measures as.",
    epilog="""
  $ teetee image measure app-compose.json
""",
)


@image.command()
@with_session
def measure(
    session: Session,
    compose: Annotated[
        Path,
        typer.Argument(help="dstack's app-compose.json, as it is deployed.", metavar="COMPOSE"),
    ],
) -> None:
    """Compute a compose document's hash, and the MRCONFIGID that names it in quotes."""
    document = AppCompose.read(compose)
    value = {
        "name": document.name,
        "composeHash": document.hash.hex(),
        "mrConfigId": document.mr_config_id.hex(),
    }
    session.printer.result(value)
    if not session.printer.as_json:
        session.printer.table(("what", "value"), list(value.items()))
