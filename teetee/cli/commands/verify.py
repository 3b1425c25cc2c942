# SPDX-License-Identifier: Apache-2.0
"""`teetee verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from teetee.cli.network import QuoteSettings
from teetee.cli.options import RequestArgument
from teetee.cli.output.help_text import epilog
from teetee.cli.session import FAILED, Session, command_app, with_quote_settings, with_session

app = command_app()
EPILOG = epilog(
    "teetee verify 17",
    "teetee verify 17 --all",
    "teetee --network base-sepolia verify 17 --json",
    "teetee verify 17 --collateral ./collateral-of-that-day",
    notes="""
Every receipt, link, enrolment, quote, digest and payment is checked again. A check that cannot be
made has failed. Exit code: 0 if all checks hold, else 1.
""",
)


@app.command(epilog=EPILOG)
@with_session
@with_quote_settings
def verify(
    session: Session,
    quotes: QuoteSettings,
    request: RequestArgument,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every check, not only the failed ones.")
    ] = False,
) -> None:
    """Check a request again, from the chain alone. Anyone can: no wallet is needed."""
    contracts, printer = session.contracts, session.printer
    from teetee.cli.output.verification_view import print_report
    from teetee.client.verification.verify_request import verify_request
    from teetee.protocol.identifiers import RequestId

    with printer.waiting(f"Checking request {request}…"):
        report = verify_request(RequestId(request), contracts, quotes.strict_quote_check(contracts))
    printer.result(report.to_json())
    if not printer.as_json:
        print_report(printer, report, everything=everything)
    if not report.verified:
        raise typer.Exit(FAILED)
