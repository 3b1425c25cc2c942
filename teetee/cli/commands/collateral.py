# SPDX-License-Identifier: Apache-2.0
"""`teetee collateral`: the options of its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from teetee.cli.options import KeystoreOption, PccsOption
from teetee.cli.output.help_text import epilog
from teetee.cli.session import Session, command_app, with_session

collateral = command_app(
    no_args_is_help=True,
    help="Show or update the chain's collateral: Intel's signed data about platforms.",
    epilog=epilog(
        "teetee collateral show",
        "teetee collateral sync --pccs https://pccs.example --recheck",
    ),
)
FmspcOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fmspc",
        metavar="FMSPC",
        help="Include this kind of platform, 12 hex digits. Repeatable. Default: the kinds of the "
        "enrolled shards.",
    ),
]


@collateral.command(epilog=epilog("teetee collateral show"))
@with_session
def show(session: Session, fmspc: FmspcOption = None) -> None:
    """List the collateral that the chain holds, and how long it is valid."""
    from teetee.cli.commands.collateral_flow import show_collateral

    show_collateral(session, fmspc)


@collateral.command(
    epilog=epilog(
        "teetee collateral sync",
        "teetee collateral sync --pccs https://pccs.example --recheck",
    )
)
@with_session
def sync(
    session: Session,
    pccs: PccsOption = None,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Afterwards, have all shards assessed again.")
    ] = False,
    fmspc: FmspcOption = None,
    keystore: KeystoreOption = None,
) -> None:
    """Upload newer collateral from a PCCS to the chain. Anyone may; it costs gas."""
    from teetee.cli.commands.collateral_flow import sync_collateral

    sync_collateral(session, keystore, pccs, fmspc, recheck=recheck)
