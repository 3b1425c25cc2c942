# SPDX-License-Identifier: Apache-2.0
"""`teetee verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from teetee.cli.network import QuoteSettings
from teetee.cli.options import AcceptTcbOption, CollateralOption, PccsOption
from teetee.cli.output.verification_view import print_audit
from teetee.cli.session import FAILED, Session, with_session
from teetee.client.verification.verify_request import verify_request
from teetee.protocol.identifiers import RequestId

EPILOG = """
  $ teetee verify 17

  $ teetee --network base-sepolia verify 17 --json

  $ teetee verify 17 --collateral ./collateral-of-that-day

No key is needed. Every receipt, link, enrolment, quote, digest and payment
is checked again; what cannot be checked has failed, and exits with 1.
"""


@with_session
def verify(
    session: Session,
    request: Annotated[int, typer.Argument(min=1, help="The request's number.", metavar="REQUEST")],
    pccs: PccsOption = None,
    collateral: CollateralOption = None,
    accept_tcb: AcceptTcbOption = None,
) -> None:
    """Check a request again, from the chain alone."""
    settings = QuoteSettings(pccs, collateral, tuple(accept_tcb or ()))
    contracts = session.contracts
    with session.printer.waiting(f"Checking request {request}…"):
        report = verify_request(RequestId(request), contracts, settings.strict_judge(contracts))
    session.printer.result(report.to_json())
    if not session.printer.as_json:
        print_audit(session.printer, report)
    if not report.verified:
        raise typer.Exit(FAILED)
