# SPDX-License-Identifier: Apache-2.0
"""`teetee quote`: take a quote apart, and compare two verifiers' verdicts on it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teetee.cli.options import parse_number, parse_time
from teetee.cli.output.help_text import epilog
from teetee.cli.output.printer import Printer
from teetee.cli.session import FAILED, Session, command_app, with_printer, with_session

if TYPE_CHECKING:
    from teetee.quote_comparison.verdict import VerdictPair

quote = command_app(
    no_args_is_help=True,
    help="Inspect and check a TDX or SGX quote.",
    epilog=epilog(
        "teetee quote show quote.bin",
        "teetee quote show --shard 4",
        "teetee quote check quote.bin --collateral ./collateral",
    ),
)
FILE_HELP = (
    "File with the quote: raw bytes, hexadecimal, base64, PEM, or JSON that contains one. Trailing "
    "zeros are ignored."
)
COMPILING = "Compiling the contracts, which the first check needs: up to a minute…"
CHECK_EPILOG = epilog(
    "teetee quote check quote.bin --collateral ./collateral",
    "teetee quote check quote.bin --collateral ./collateral --at 2026-08-14",
    notes="""
The folder holds tcb_info.json, qe_identity.json, pck_crl.der and root_ca_crl.der as a PCCS serves
them: the JSON exactly as it was signed, not reformatted. docs/attestation.md says where the two
verdicts may differ.

Exit code: 0 if they agree (also in refusing), 1 if they differ or nothing can be checked.
""",
)


@quote.command(epilog=epilog("teetee quote show quote.bin", "teetee quote show --shard 4"))
@with_session
def show(
    session: Session,
    file: Annotated[Path | None, typer.Argument(help=FILE_HELP, metavar="FILE")] = None,
    shard: Annotated[
        int | None,
        typer.Option(
            "--shard",
            metavar="SHARD",
            parser=parse_number,
            help="Show the quote of this enrolled shard, read from the chain, instead of a file.",
        ),
    ] = None,
) -> None:
    """Show every part of a quote; checks nothing. Reads SGX version 3 to 5, TDX version 4 and 5.

    Needs no chain for a file.
    """
    from teetee.cli.output.quote_view import print_quote, quote_json
    from teetee.quotes.quote_description import QuoteDescription
    from teetee.quotes.quote_file import read_quote

    if (file is None) == (shard is None):
        raise typer.BadParameter("name either a FILE or a --shard.")
    raw = read_quote(file) if file is not None else _enrolled_quote(session, shard or 0)
    value = quote_json(QuoteDescription.parse(raw))
    session.printer.result(value)
    if not session.printer.as_json:
        print_quote(session.printer, value)


@quote.command(epilog=CHECK_EPILOG)
@with_printer
def check(
    printer: Printer,
    file: Annotated[Path, typer.Argument(help=FILE_HELP, metavar="FILE")],
    collateral: Annotated[
        Path,
        typer.Option(
            "--collateral",
            metavar="FOLDER",
            help="Folder with collateral.",
            exists=True,
            file_okay=False,
        ),
    ],
    at: Annotated[
        int | None,
        typer.Option(
            "--at",
            metavar="TIME",
            parser=parse_time,
            help="Time of the check: Unix seconds, or a date in UTC. Default: now.",
        ),
    ] = None,
    root_ca: Annotated[
        Path | None,
        typer.Option(
            "--root-ca", metavar="FILE", help="Root certificate, DER or PEM. Default: Intel's."
        ),
    ] = None,
) -> None:
    """Check a quote twice, by dcap-qvl and by TeeTee's contracts on a private chain, and compare.

    Needs no network. The first call compiles the contracts.
    """
    from teetee.quote_comparison.comparer import QuoteComparer
    from teetee.quote_comparison.errors import TimeOutOfRange
    from teetee.quote_comparison.local_anvil import LAST_SECOND
    from teetee.quotes.certificates import intel
    from teetee.quotes.certificates.pck_chain import read_certificate
    from teetee.quotes.collateral.folder import require_collateral_files
    from teetee.quotes.quote_file import read_quote

    second = int(time.time()) if at is None else at
    if not 0 <= second <= LAST_SECOND:
        raise TimeOutOfRange(second, LAST_SECOND)
    raw = read_quote(file)
    require_collateral_files(collateral)
    root = intel.root_ca() if root_ca is None else read_certificate(root_ca)
    with (
        printer.waiting("Checking the quote…"),
        QuoteComparer(lambda: printer.say(COMPILING, "dim")) as comparer,
    ):
        pair = comparer.compare(raw, collateral, root, second)
    printer.result(pair.to_json())
    if not printer.as_json:
        _print_pair(printer, pair)
    if not pair.agree:
        raise typer.Exit(FAILED)


def _enrolled_quote(session: Session, shard: int) -> bytes:
    from teetee.protocol.identifiers import ShardId
    from teetee.quotes.quote import rebuild_quote

    contracts = session.contracts
    core, pck_id = contracts.registry.quote(contracts.registry.shard(ShardId(shard)))
    chain = contracts.certificates.chain(pck_id)
    return rebuild_quote(core, chain.leaf, chain.authority, chain.root)


def _print_pair(printer: Printer, pair: VerdictPair) -> None:
    contracts, library = pair.on_chain, pair.dcap_qvl
    gas = "none" if contracts.gas is None else f"{contracts.gas:,}"
    printer.table(
        ("", "dcap-qvl", "TeeTee's contracts"),
        [
            ("accepted", _mark(library.ok), _mark(contracts.ok)),
            ("status", library.status or "none", contracts.status or "none"),
            ("reason", library.error or "", contracts.error or ""),
            ("advisories", " ".join(library.advisory_ids) or "none", "not kept on chain"),
            ("gas", "", gas),
        ],
    )
    printer.line("✓ they agree" if pair.agree else "✗ they differ")


def _mark(ok: bool) -> str:
    return "✓ yes" if ok else "✗ no"
