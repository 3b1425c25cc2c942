# SPDX-License-Identifier: Apache-2.0
"""`teetee quote`: look at a quote, and have it judged twice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from teetee.cli.output.quote_view import print_quote, quote_json
from teetee.cli.session import FAILED, Session, with_session
from teetee.quote_comparison.comparer import QuoteComparer
from teetee.quote_comparison.errors import TimeOutOfRange
from teetee.quote_comparison.local_anvil import LAST_SECOND
from teetee.quote_comparison.verdict import VerdictPair
from teetee.quotes.certificates import intel
from teetee.quotes.certificates.pck_chain import read_certificate
from teetee.quotes.collateral.folder import require_collateral_files
from teetee.quotes.quote_description import QuoteDescription
from teetee.quotes.quote_file import read_quote

quote = typer.Typer(
    no_args_is_help=True,
    help="Look at a quote, and have it judged.",
    epilog="""
  $ teetee quote show quote.bin

  $ teetee quote check quote.bin --collateral ./collateral --at 1786704338 --json
""",
)
FileArgument = Annotated[
    Path,
    typer.Argument(
        help="The quote: raw bytes, hexadecimal or base64; zeros behind it do not matter.",
        metavar="FILE",
    ),
]


@quote.command()
@with_session
def show(session: Session, file: FileArgument) -> None:
    """Take a quote apart: SGX of version 3, SGX and TDX of versions 4 and 5. Checks nothing."""
    value = quote_json(QuoteDescription.parse(read_quote(file)))
    session.printer.result(value)
    if not session.printer.as_json:
        print_quote(session.printer, value)


CHECK_EPILOG = """
  $ teetee quote check quote.bin --collateral ./collateral

  $ teetee quote check quote.bin --collateral ./collateral --at 1786704338 --json

The folder holds tcb_info.json, qe_identity.json, pck_crl.der and root_ca_crl.der, as a PCCS serves
them: the JSON as it was signed, not formatted anew. Where the two verdicts may differ is in
docs/attestation.md. Exit code 0 if they agree (also in refusing), 1 if not or if nothing can be
judged, 2 if an option cannot be understood.
"""


@quote.command(epilog=CHECK_EPILOG)
@with_session
def check(
    session: Session,
    file: FileArgument,
    collateral: Annotated[
        Path,
        typer.Option(
            "--collateral", help="The folder with collateral.", exists=True, file_okay=False
        ),
    ],
    at: Annotated[
        int | None, typer.Option("--at", help="Unix second of the judgement. Default: now.")
    ] = None,
    root_ca: Annotated[
        Path | None,
        typer.Option("--root-ca", help="The root certificate, DER or PEM. Default: Intel's."),
    ] = None,
) -> None:
    """Judge a quote twice: by dcap-qvl, and by our contracts on a private chain."""
    second = int(time.time()) if at is None else at
    if not 0 <= second <= LAST_SECOND:
        raise TimeOutOfRange(second, LAST_SECOND)
    raw = read_quote(file)
    require_collateral_files(collateral)
    root = intel.root_ca() if root_ca is None else read_certificate(root_ca)
    with session.printer.waiting("Judging…"), QuoteComparer() as comparer:
        pair = comparer.compare(raw, collateral, root, second)
    session.printer.result(pair.to_json())
    if not session.printer.as_json:
        _print_pair(session, pair)
    if not pair.agree:
        raise typer.Exit(FAILED)


def _print_pair(session: Session, pair: VerdictPair) -> None:
    ours, theirs = pair.on_chain, pair.dcap_qvl
    gas = "none" if ours.gas is None else f"{ours.gas:,}"
    session.printer.table(
        ("", "dcap-qvl", "our contracts"),
        [
            ("accepted", _mark(theirs.ok), _mark(ours.ok)),
            ("status", theirs.status or "none", ours.status or "none"),
            ("reason", theirs.error or "", ours.error or ""),
            ("advisories", " ".join(theirs.advisory_ids) or "none", "not kept on chain"),
            ("gas", "", gas),
        ],
    )
    session.printer.line("✓ they agree" if pair.agree else "✗ they differ")


def _mark(ok: bool) -> str:
    return "✓ yes" if ok else "✗ no"
