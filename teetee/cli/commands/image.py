# SPDX-License-Identifier: Apache-2.0
"""`teetee image`: the measurement of an enclave's image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teetee.cli.output.help_text import epilog
from teetee.cli.output.printer import Printer
from teetee.cli.session import command_app, with_printer

EPILOG = epilog("teetee image measure app-compose.json")
image = command_app(
    no_args_is_help=True, help="Compute what an enclave's image measures as.", epilog=EPILOG
)


@image.callback()
def _group() -> None:
    """Keep `measure` a subcommand, though it is the only one."""


@image.command(epilog=EPILOG)
@with_printer
def measure(
    printer: Printer,
    compose: Annotated[
        Path,
        typer.Argument(
            help="dstack's app-compose.json, exactly as it is deployed.", metavar="COMPOSE"
        ),
    ],
) -> None:
    """Compute a compose document's hash, and the MRCONFIGID that names it in quotes."""
    from teetee.quotes.app_compose import AppCompose

    document = AppCompose.read(compose)
    value = {
        "name": document.name,
        "composeHash": document.hash.hex(),
        "mrConfigId": document.mr_config_id.hex(),
    }
    printer.result(value)
    if not printer.as_json:
        printer.record(list(value.items()))
