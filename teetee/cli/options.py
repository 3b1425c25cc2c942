# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        envvar="TEETEE_NETWORK",
        metavar="NAME",
        help="base-local, base-sepolia or base-mainnet. Default: base-local, if deployed here.",
        rich_help_panel="Connection",
    ),
]
DeploymentOption = Annotated[
    Path | None,
    typer.Option(
        "--deployment",
        envvar="TEETEE_DEPLOYMENT",
        metavar="FILE",
        help="JSON file with the contracts' addresses, instead of --network.",
        rich_help_panel="Connection",
    ),
]
RpcOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc",
        envvar="TEETEE_RPC_URL",
        metavar="URL",
        help="JSON-RPC node of the chain. Repeat it, or separate by commas: more than half of them "
        "must agree. Default: three public ones.",
        rich_help_panel="Connection",
    ),
]
QuorumOption = Annotated[
    int | None,
    typer.Option(
        "--rpc-quorum",
        envvar="TEETEE_RPC_QUORUM",
        metavar="NUMBER",
        min=1,
        help="How many of these nodes must agree. Default: more than half.",
        rich_help_panel="Connection",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON to stdout.", rich_help_panel="Output"),
]
KeystoreOption = Annotated[
    Path | None,
    typer.Option(
        "--keystore",
        envvar="TEETEE_KEYSTORE",
        metavar="FILE",
        help="Encrypted keystore of the wallet. Its passphrase is read from TEETEE_PASSPHRASE, "
        "or asked for.",
        rich_help_panel="Wallet",
    ),
]
PccsOption = Annotated[
    str | None,
    typer.Option(
        "--pccs",
        envvar="TEETEE_PCCS",
        metavar="URL",
        help="Server of Intel's collateral. Default: Intel's own; none on a local chain.",
        rich_help_panel="Quotes",
    ),
]
CollateralOption = Annotated[
    Path | None,
    typer.Option(
        "--collateral",
        metavar="FOLDER",
        help="Folder with collateral as JSON, instead of a server.",
        exists=True,
        file_okay=False,
        rich_help_panel="Quotes",
    ),
]
AcceptTcbOption = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-tcb",
        metavar="STATUS",
        help="Accept this TCB status besides UpToDate, e.g. SWHardeningNeeded. Repeatable.",
        rich_help_panel="Quotes",
    ),
]
SkipQuoteCheckOption = Annotated[
    bool,
    typer.Option(
        "--skip-quote-check",
        help="Trust the chain's check of the quotes; TCB level and revocation stay unknown.",
        rich_help_panel="Quotes",
    ),
]


def parse_address(text: str) -> str:
    """An address; one in mixed case must have the right checksum."""
    from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address

    digits = text.removeprefix("0x")
    is_one_case = digits in (digits.lower(), digits.upper())
    if not is_hex_address(text) or not (is_one_case or is_checksum_address(text)):
        raise typer.BadParameter(f"{text[:50]!r} is not an address, or its checksum is wrong.")
    return str(to_checksum_address(text))


def parse_number(text: str) -> int:
    """A number that the chain gave, from 1 up: of a request, a shard or a model."""
    if text.isascii() and text.isdecimal() and int(text) > 0:
        return int(text)
    raise typer.BadParameter(f"{text[:40]!r} is not a number from 1 up, such as 17.")


def parse_time(text: str) -> int:
    """Unix seconds, given as such or as a date in ISO 8601; without a time zone, in UTC."""
    if text.removeprefix("-").isdecimal() and text.isascii():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text[:40]!r} is not a time. Write Unix seconds, such as 1750327235, or a date in "
            "UTC, such as 2025-06-19 or 2025-06-19T10:00:35."
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


RequestArgument = Annotated[
    int, typer.Argument(help="Number of the request.", metavar="REQUEST", parser=parse_number)
]
ShardArgument = Annotated[
    int, typer.Argument(help="Number of the shard.", metavar="SHARD", parser=parse_number)
]
