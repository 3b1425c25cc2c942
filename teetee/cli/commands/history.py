# SPDX-License-Identifier: Apache-2.0
"""`teetee history`."""

from __future__ import annotations

from typing import Annotated

import typer

from teetee.cli.options import KeystoreOption
from teetee.cli.output.help_text import epilog
from teetee.cli.session import Session, command_app, with_session

app = command_app()
EPILOG = epilog(
    "teetee history",
    "teetee history --last 5 --json",
)


@app.command(epilog=EPILOG)
@with_session
def history(
    session: Session,
    last: Annotated[
        int, typer.Option("--last", min=1, metavar="N", help="List the newest N requests.")
    ] = 20,
    keystore: KeystoreOption = None,
) -> None:
    """List this wallet's requests, and what they cost."""
    printer, address = session.printer, session.address(keystore)
    from teetee.cli.output.formats import plural
    from teetee.cli.output.request_view import describe_request
    from teetee.client.amounts import round_amount
    from teetee.client.requests.request_history import requests_of

    with printer.waiting("Reading this wallet's requests…"):
        found = list(requests_of(session.contracts, address, last))
    printer.result([past.to_json() for past in found])
    if printer.as_json:
        return
    if not found:
        printer.say(f"{address} has sent no request here. Try `teetee ask`.")
        return
    rows = [
        (*describe_request(past), f"{past.input_tokens} + {past.output_tokens}") for past in found
    ]
    printer.table(
        ("request", "asked at", "status", "cost", "tokens in + out"),
        rows,
        lead=("request {}", "{}", "{}"),
    )
    total = round_amount(sum(past.cost for past in found))
    answered = plural(sum(past.request.status.name == "SETTLED" for past in found), "answer")
    shown = plural(len(found), "request")
    printer.say(f"{total} for {answered} to {shown} of {address}", "dim")
