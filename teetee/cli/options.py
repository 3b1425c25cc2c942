# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        envvar="TEETEE_NETWORK",
        help="base-local, base-sepolia or base-mainnet. Default: base-local, where deployed.",
        rich_help_panel="Connection",
    ),
]
DeploymentOption = Annotated[
    Path | None,
    typer.Option(
        "--deployment",
        envvar="TEETEE_DEPLOYMENT",
        help="A deployment file, instead of a network's.",
        rich_help_panel="Connection",
    ),
]
RpcOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc",
        envvar="TEETEE_RPC_URL",
        help="JSON-RPC URL of the chain's node; several (repeated or with commas) in order.",
        rich_help_panel="Connection",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON value to stdout.", rich_help_panel="Output")
]
KeystoreOption = Annotated[
    Path | None,
    typer.Option(
        "--keystore",
        envvar="TEETEE_KEYSTORE",
        help="The wallet's encrypted keystore. Passphrase: TEETEE_PASSPHRASE, or a hidden prompt.",
        rich_help_panel="Wallet",
    ),
]
PccsOption = Annotated[
    str | None,
    typer.Option(
        "--pccs",
        envvar="TEETEE_PCCS",
        help="Where Intel's collateral is fetched. Default: Intel's own service; none locally.",
        rich_help_panel="Quotes",
    ),
]
CollateralOption = Annotated[
    Path | None,
    typer.Option(
        "--collateral",
        help="A folder with collateral as JSON, instead of a PCCS.",
        exists=True,
        file_okay=False,
        rich_help_panel="Quotes",
    ),
]
AcceptTcbOption = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-tcb",
        help="Another TCB status that will do, e.g. SWHardeningNeeded; may be repeated.",
        rich_help_panel="Quotes",
    ),
]
SkipQuoteCheckOption = Annotated[
    bool,
    typer.Option(
        "--skip-quote-check",
        help="Trust the chain's own check of the quotes: no TCB level, no revocation.",
        rich_help_panel="Quotes",
    ),
]
