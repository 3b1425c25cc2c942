"""`teetee quote`: look at a quote, and have it judged twice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teetee.command.quote_view import print_quote, quote_json
from teetee.command.session import Session, with_session
from teetee.quotes.anatomy import Anatomy
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
        help="The quote: raw bytes or hexadecimal; zeros behind it do not matter.", metavar="FILE"
    ),
]


@quote.command()
@with_session
def show(session: Session, file: FileArgument) -> None:
    """Take a quote apart: SGX of version 3, SGX and TDX of versions 4 and 5. Checks nothing."""
    value = quote_json(Anatomy.parse(read_quote(file)))
    session.printer.result(value)
    if not session.printer.as_json:
        print_quote(session.printer, value)
