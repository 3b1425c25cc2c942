# SPDX-License-Identifier: Apache-2.0
"""`teetee host`: the options of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teetee.cli.network import QuoteSettings
from teetee.cli.options import KeystoreOption, ShardArgument, parse_address, parse_number
from teetee.cli.output.help_text import epilog
from teetee.cli.session import (
    FAILED,
    Session,
    command_app,
    with_session,
    with_skippable_quote_settings,
)
from teetee.client.amounts import parse_amount, round_amount
from teetee.protocol.endpoint import DEFAULT_PORT
from teetee.protocol.identifiers import ShardId

DEFAULT_WAIT_SECONDS = 60

host = command_app(
    no_args_is_help=True,
    help="Run an enclave, enrol it and earn.",
    epilog=epilog(
        "teetee host run --model smollm2.gguf --model-id 1 --layers 0-10 --entry",
        "teetee host enrol 203.0.113.7:7443",
        "teetee host status",
        "teetee host renew 4                 before its attestation expires",
        "teetee host rekey 4                 after its machine was rebooted",
        "teetee host withdraw",
    ),
)

EndpointArgument = Annotated[
    str,
    typer.Argument(help="Public address of the enclave, as host:port.", metavar="ENDPOINT"),
]
ConnectOption = Annotated[
    str | None,
    typer.Option(
        "--connect",
        metavar="HOST:PORT",
        help="Address to reach the enclave from this machine. Default: the public one.",
    ),
]
NewEndpointOption = Annotated[
    str | None,
    typer.Option(
        "--endpoint", metavar="HOST:PORT", help="New public address. Default: as enrolled."
    ),
]
PayoutOption = Annotated[
    str | None,
    typer.Option(
        "--payout",
        metavar="ADDRESS",
        parser=parse_address,
        help="Address that receives the earnings. Default: this wallet. The host cannot change it "
        "after the first enrolment.",
    ),
]


RUN_EPILOG = epilog(
    "teetee host run --model smollm2.gguf --model-id 1 --layers 0-10 --entry",
    "teetee host run --model smollm2.gguf --model-id 1 --layers 10-20 --port 7444",
    notes="""
Runs until it is interrupted. Loading takes a while; then `teetee host enrol HOST:PORT` registers
the shard. `python -m oracle settings` lists the settings that --settings can hold.
""",
)


@host.command(epilog=RUN_EPILOG)
@with_session
def run(
    session: Session,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="PATH",
            envvar="TEETEE_MODEL",
            help="Required. Weights: a GGUF file, a local folder or a hub id.",
        ),
    ] = None,
    model_id: Annotated[
        int | None,
        typer.Option(
            "--model-id",
            min=1,
            metavar="N",
            envvar="TEETEE_MODEL_ID",
            help="Required. Number of the published model: see `teetee models`.",
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            metavar="FIRST-END",
            envvar="TEETEE_LAYERS",
            help="Required. Layers to serve; 0-15 are the layers 0 to 14.",
        ),
    ] = None,
    entry: Annotated[
        bool | None,
        typer.Option(
            "--entry/--no-entry",
            help="Serve as an entry shard: also hold tokenizer, embedding and output head. "
            "Needs --layers from 0. Default: no.",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen", metavar="ADDRESS", help="Address to listen on. Default: all (0.0.0.0)."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65_535,
            metavar="N",
            help=f"Port to listen on. Default: {DEFAULT_PORT}.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            help="Folder of the journal, which holds no plaintext. Default: a folder for this "
            "model, range and port below ~/.local/state/teetee.",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE",
            help="TOML or .env file with further settings. It may hold the required ones.",
            exists=True,
        ),
    ] = None,
    keystore: KeystoreOption = None,
) -> None:
    """Run an enclave that serves some layers of a model."""
    from teetee.cli.commands.host.run import become_enclave

    options = {
        "TEETEE_MODEL": model,
        "TEETEE_MODEL_ID": model_id,
        "TEETEE_LAYERS": layers,
        "TEETEE_IS_ENTRY": None if entry is None else str(entry).lower(),
        "TEETEE_LISTEN_HOST": listen,
        "TEETEE_LISTEN_PORT": port,
        "TEETEE_DATA_DIRECTORY": data,
    }
    become_enclave(session, keystore, options, settings)


@host.command(epilog=epilog("teetee host keys 203.0.113.7:7443"))
@with_session
@with_skippable_quote_settings
def keys(
    session: Session,
    quotes: QuoteSettings,
    endpoint: EndpointArgument,
    keystore: KeystoreOption = None,
) -> None:
    """Show the public keys of any enclave, and what its quote proves. Sends no transaction."""
    from teetee.cli.commands.host.enclave import show_keys

    show_keys(session, keystore, quotes, endpoint)


ENROL_EPILOG = epilog(
    "teetee host enrol 203.0.113.7:7443",
    "teetee host enrol enclave.example:7443 --connect 127.0.0.1:7443",
    notes="""
Asks the enclave for a fresh quote, checks it, adds the machine's certificates if the chain lacks
them, approves the bond, and enrols the shard. Afterwards, `teetee host status` shows it.
""",
)


@host.command(epilog=ENROL_EPILOG)
@with_session
@with_skippable_quote_settings
def enrol(
    session: Session,
    quotes: QuoteSettings,
    endpoint: EndpointArgument,
    connect: ConnectOption = None,
    payout: PayoutOption = None,
    wait: Annotated[
        int,
        typer.Option(
            min=0,
            max=3600,
            metavar="SECONDS",
            help="Seconds to wait for an enclave that is still starting.",
        ),
    ] = DEFAULT_WAIT_SECONDS,
    keystore: KeystoreOption = None,
) -> None:
    """Enrol an enclave as a shard: register its keys and post its bond."""
    from teetee.cli.commands.host.enclave import enrol_enclave

    enrol_enclave(session, keystore, quotes, endpoint, connect or endpoint, payout, wait)


@host.command(epilog=epilog("teetee host renew 4"))
@with_session
@with_skippable_quote_settings
def renew(
    session: Session,
    quotes: QuoteSettings,
    shard: ShardArgument,
    endpoint: NewEndpointOption = None,
    connect: ConnectOption = None,
    keystore: KeystoreOption = None,
) -> None:
    """Extend a shard's attestation with a fresh quote. Also brings an evicted shard back."""
    from teetee.cli.commands.host.enclave import renew_shard

    renew_shard(session, keystore, quotes, shard, endpoint, connect)


REKEY_EPILOG = epilog(
    "teetee host rekey 4",
    notes="""
An enclave keeps its private keys in memory alone, so a rebooted machine has new ones. The shard's
id and bond stay. Requests that are sealed to the old keys go to their other recipients, or end in a
refund.
""",
)


@host.command(epilog=REKEY_EPILOG)
@with_session
@with_skippable_quote_settings
def rekey(
    session: Session,
    quotes: QuoteSettings,
    shard: ShardArgument,
    endpoint: NewEndpointOption = None,
    connect: ConnectOption = None,
    keystore: KeystoreOption = None,
) -> None:
    """Give a shard the new keys of its enclave after a reboot, with a fresh quote."""
    from teetee.cli.commands.host.enclave import rekey_shard

    rekey_shard(session, keystore, quotes, shard, endpoint, connect)


@host.command(epilog=epilog("teetee host retire 4"))
@with_session
def retire(session: Session, shard: ShardArgument, keystore: KeystoreOption = None) -> None:
    """Take a shard out for good. Its bond is released after the unbonding period."""
    from teetee.cli.commands.host.enclave import actions_json, open_hosting
    from teetee.client.times import format_seconds

    hosting, registry = open_hosting(session, keystore), session.contracts.registry
    actions = hosting.retire(registry.shard(ShardId(shard)))
    period = registry.unbonding_period()
    session.printer.result(actions_json(actions) | {"unbondingSeconds": period})
    session.printer.say(
        f"Shard {shard} is retired. Withdraw its bond in {format_seconds(period)}: "
        f"`teetee host withdraw --bond {shard}`.",
        "good",
    )


@host.command(epilog=epilog("teetee host evict 4"))
@with_session
def evict(session: Session, shard: ShardArgument, keystore: KeystoreOption = None) -> None:
    """Put out any shard whose attestation expired or whose image was withdrawn."""
    from teetee.cli.commands.host.enclave import actions_json, open_hosting

    actions = open_hosting(session, keystore).evict(ShardId(shard))
    session.printer.result(actions_json(actions))
    session.printer.say(f"Shard {shard} is evicted.", "good")


@host.command(epilog=epilog("teetee host recheck 4"))
@with_session
def recheck(session: Session, shard: ShardArgument, keystore: KeystoreOption = None) -> None:
    """Have the chain assess any shard again, by today's collateral and policy."""
    from teetee.cli.commands.host.enclave import open_hosting

    outcome = open_hosting(session, keystore).recheck(
        session.contracts.registry.shard(ShardId(shard))
    )
    session.printer.result(outcome.to_json())
    if outcome.error is not None:
        session.printer.fail(outcome.error)
        raise typer.Exit(FAILED)
    changed = "stays" if outcome.sent is None else "is now"
    session.printer.say(f"Shard {shard} {changed} {outcome.after.name.lower()}.", "good")


@host.command("top-up", epilog=epilog("teetee host top-up 4 10"))
@with_session
def top_up(
    session: Session,
    shard: ShardArgument,
    amount: Annotated[
        str,
        typer.Argument(help="Amount in TEE, such as 1.5; or like '1500 wei'.", metavar="AMOUNT"),
    ],
    keystore: KeystoreOption = None,
) -> None:
    """Add to the bond of any shard, for example after a penalty."""
    from teetee.cli.commands.host.enclave import actions_json, open_hosting

    wei = parse_amount(amount)
    actions = open_hosting(session, keystore).top_up(ShardId(shard), wei)
    session.printer.result(actions_json(actions) | {"amount": str(wei)})
    session.printer.say(f"{round_amount(wei)} added to the bond of shard {shard}.", "good")


@host.command(epilog=epilog("teetee host status"))
@with_session
def status(session: Session, keystore: KeystoreOption = None) -> None:
    """Show this host's shards, earnings, allowance, and gas left for its enclaves."""
    from teetee.cli.commands.host.status import show_status

    show_status(session, session.address(keystore))


@host.command(epilog=epilog("teetee host withdraw", "teetee host withdraw --bond 4"))
@with_session
def withdraw(
    session: Session,
    bond: Annotated[
        int | None,
        typer.Option(
            "--bond",
            metavar="SHARD",
            parser=parse_number,
            help="Withdraw the released bond of this shard too.",
        ),
    ] = None,
    keystore: KeystoreOption = None,
) -> None:
    """Pay out the earnings to the payout address."""
    address, contracts = session.address(keystore), session.contracts
    credit = contracts.escrow.account_of(address).credit
    calls = [contracts.escrow.withdraw(address)] if credit or bond is None else []
    if bond is not None:
        calls.append(contracts.registry.withdraw_bond(ShardId(bond)))
    sender = session.sender(session.account(keystore))
    with session.printer.waiting("Withdrawing…"):
        transactions = [sender.send(call).transaction_hash for call in calls]
    payout = contracts.registry.payout_of(address) or address
    session.printer.result(
        {
            "host": address,
            "payout": payout,
            "amount": str(credit),
            "bondOfShard": bond,
            "transactions": transactions,
        }
    )
    also = f", and the bond of shard {bond}," if bond is not None else ""
    session.printer.say(f"{round_amount(credit)}{also} paid out to {payout}.", "good")
