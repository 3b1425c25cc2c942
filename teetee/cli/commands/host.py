# SPDX-License-Identifier: Apache-2.0
"""`teetee host`: run an enclave, bring it into the registry, and take what it earned."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address

from teetee.chain.transactions.sender import Sender
from teetee.chain.types.shards import Shard
from teetee.cli.commands.host_run import run
from teetee.cli.commands.shards import shard_json
from teetee.cli.network import QuoteSettings
from teetee.cli.options import (
    AcceptTcbOption,
    CollateralOption,
    KeystoreOption,
    PccsOption,
    SkipQuoteCheckOption,
)
from teetee.cli.output.durations import format_seconds
from teetee.cli.session import FAILED, Session, with_session
from teetee.client.amounts import format_amount, parse_amount
from teetee.client.hosting.enclave_check import VerifiedEnclave
from teetee.client.hosting.hosting import HostActions, Hosting
from teetee.client.shard_listing import shards_of_host
from teetee.collateral.pccs import PccsReader
from teetee.collateral.synchronization import Synchronization
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from teetee.quotes.claims import PckRecord, quote_hash
from teetee.quotes.quote import Quote

host = typer.Typer(
    no_args_is_help=True,
    help="Run an enclave, enrol it, earn.",
    epilog="""
  $ teetee host run --model smollm2.gguf --model-id 1 --layers 0-10 --entry

  $ teetee host enrol 203.0.113.7:7443

  $ teetee host status

  $ teetee host renew 4                 before its attestation expires

  $ teetee host withdraw
""",
)
ShardArgument = Annotated[int, typer.Argument(min=1, help="The shard's number.", metavar="SHARD")]
EndpointArgument = Annotated[
    str, typer.Argument(help="Where the world reaches the enclave: host:port.", metavar="ENDPOINT")
]
ConnectOption = Annotated[
    str | None,
    typer.Option(
        "--connect", help="Where this machine reaches it, if that is elsewhere: host:port."
    ),
]
PayoutOption = Annotated[
    str | None,
    typer.Option("--payout", help="Who gets the earnings. Default: this wallet. Fixed at first."),
]


@host.command()
@with_session
def keys(
    session: Session,
    endpoint: EndpointArgument,
    keystore: KeystoreOption = None,
    pccs: PccsOption = None,
    collateral: CollateralOption = None,
    accept_tcb: AcceptTcbOption = None,
    skip_quote_check: SkipQuoteCheckOption = False,
) -> None:
    """Show an enclave's public keys and what its quote proves; sends nothing."""
    settings = QuoteSettings(pccs, collateral, tuple(accept_tcb or ()))
    hosting = _hosting(session, keystore, settings, skip_quote_check)
    proven = hosting.verify_enclave(
        Endpoint.parse(endpoint), endpoint, _payout(session, hosting, None)
    )
    value = _proven_json(proven)
    session.printer.result(value)
    if not session.printer.as_json:
        session.printer.table(
            ("what", "value"), [(name, str(each)) for name, each in value.items()]
        )


@host.command(
    epilog="""
  $ teetee host enrol 203.0.113.7:7443

  $ teetee host enrol enclave.example:7443 --connect 127.0.0.1:7443

Asks the enclave for a fresh quote, checks it, adds the machine's certificates
if the chain lacks them, approves the bond, and enrols the shard.
"""
)
@with_session
def enrol(
    session: Session,
    endpoint: EndpointArgument,
    connect: ConnectOption = None,
    payout: PayoutOption = None,
    keystore: KeystoreOption = None,
    pccs: PccsOption = None,
    collateral: CollateralOption = None,
    accept_tcb: AcceptTcbOption = None,
    skip_quote_check: SkipQuoteCheckOption = False,
) -> None:
    """Bring an enclave into the registry."""
    settings = QuoteSettings(pccs, collateral, tuple(accept_tcb or ()))
    hosting = _hosting(session, keystore, settings, skip_quote_check)
    listening_at = Endpoint.parse(connect or endpoint)
    proven = hosting.verify_enclave(
        listening_at, str(Endpoint.parse(endpoint)), _payout(session, hosting, payout)
    )
    actions = hosting.enrol(proven)
    _report(session, actions, _proven_json(proven))
    session.printer.say(
        f"Shard {actions.shard_id} serves layers {proven.statement.identity.layers} of model "
        f"{proven.statement.identity.model_id}.",
        "good",
    )


@host.command()
@with_session
def renew(
    session: Session,
    shard: ShardArgument,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="A new one. Default: as enrolled.")
    ] = None,
    connect: ConnectOption = None,
    keystore: KeystoreOption = None,
    pccs: PccsOption = None,
    collateral: CollateralOption = None,
    accept_tcb: AcceptTcbOption = None,
    skip_quote_check: SkipQuoteCheckOption = False,
) -> None:
    """Extend a shard's attestation by a fresh quote; brings an evicted shard back."""
    settings = QuoteSettings(pccs, collateral, tuple(accept_tcb or ()))
    hosting = _hosting(session, keystore, settings, skip_quote_check)
    enrolled = session.contracts.registry.shard(ShardId(shard))
    place = str(Endpoint.parse(endpoint or enrolled.endpoint))
    proven = hosting.verify_enclave(
        Endpoint.parse(connect or place), place, _payout(session, hosting, None)
    )
    actions = hosting.renew(enrolled, proven)
    renewed = session.contracts.registry.shard(ShardId(shard))
    _report(session, actions, {"attestedUntil": renewed.attested_until})
    session.printer.say(f"Shard {shard} is attested until Unix time {renewed.attested_until}.")


@host.command()
@with_session
def retire(session: Session, shard: ShardArgument, keystore: KeystoreOption = None) -> None:
    """Take a shard out for good; its bond is released after the unbonding period."""
    hosting = _hosting(session, keystore, QuoteSettings(None), True)
    actions = hosting.retire(session.contracts.registry.shard(ShardId(shard)))
    period = session.contracts.registry.unbonding_period()
    _report(session, actions, {"unbondingSeconds": period})
    session.printer.say(
        f"Shard {shard} has left. In {format_seconds(period)} its bond can be withdrawn: "
        f"`teetee host withdraw --bond {shard}`."
    )


@host.command()
@with_session
def evict(session: Session, shard: ShardArgument, keystore: KeystoreOption = None) -> None:
    """Put anybody's shard out whose attestation expired or whose image was withdrawn."""
    hosting = _hosting(session, keystore, QuoteSettings(None), True)
    _report(session, hosting.evict(ShardId(shard)), {})
    session.printer.say(f"Shard {shard} was evicted.")


@host.command()
@with_session
def recheck(session: Session, shard: ShardArgument, keystore: KeystoreOption = None) -> None:
    """Have anybody's shard judged anew by the chain's collateral and its model's policy."""
    hosting = _hosting(session, keystore, QuoteSettings(None), True)
    outcome = hosting.recheck(session.contracts.registry.shard(ShardId(shard)))
    session.printer.result(outcome.to_json())
    if outcome.error is not None:
        session.printer.fail(outcome.error)
        raise typer.Exit(FAILED)
    changed = "stays" if outcome.sent is None else "is now"
    session.printer.say(f"Shard {shard} {changed} {outcome.after.name}.")


@host.command("top-up")
@with_session
def top_up(
    session: Session,
    shard: ShardArgument,
    amount: Annotated[str, typer.Argument(help="In TEE, or like '1500 wei'.")],
    keystore: KeystoreOption = None,
) -> None:
    """Add to a shard's bond, e.g. after a penalty."""
    wei = parse_amount(amount)
    hosting = _hosting(session, keystore, QuoteSettings(None), True)
    _report(session, hosting.top_up(ShardId(shard), wei), {"amount": str(wei)})
    session.printer.say(f"{format_amount(wei)} added to the bond of shard {shard}.")


@host.command()
@with_session
def status(session: Session, keystore: KeystoreOption = None) -> None:
    """Show this host's shards, earnings and allowance."""
    address = str(session.account(keystore).address)
    contracts = session.contracts
    with session.printer.waiting("Reading the registry…"):
        shards = shards_of_host(contracts, address)
        account = contracts.escrow.account_of(address)
        payout = contracts.registry.payout_of(address)
    rows = [_shard_status(session, shard, address) for shard in shards]
    value = {
        "host": address,
        "payout": payout,
        "credit": str(account.credit),
        "servedLayerTokens": account.served_layer_tokens,
        "shards": rows,
    }
    session.printer.result(value)
    if not session.printer.as_json:
        _print_status(session, value)


@host.command()
@with_session
def withdraw(
    session: Session,
    bond: Annotated[
        int | None,
        typer.Option("--bond", min=1, metavar="SHARD", help="The released bond of a shard too."),
    ] = None,
    keystore: KeystoreOption = None,
) -> None:
    """Pay the earnings out to the payout address."""
    account = session.account(keystore)
    contracts, address = session.contracts, str(account.address)
    credit = contracts.escrow.account_of(address).credit
    sender, transactions = session.sender(account), []
    if credit or bond is None:
        transactions.append(sender.send(contracts.escrow.withdraw(address)).transaction_hash)
    if bond is not None:
        call = contracts.registry.withdraw_bond(ShardId(bond))
        transactions.append(sender.send(call).transaction_hash)
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
    session.printer.say(f"{format_amount(credit)}{also} went to {payout}.")


host.command("run")(run)


def _hosting(
    session: Session, keystore: Any, settings: QuoteSettings, skip_quote_check: bool
) -> Hosting:
    account = session.account(keystore)
    contracts, sender = session.contracts, session.sender(account)
    return Hosting(
        contracts,
        account,
        sender,
        quotes=None if skip_quote_check else settings.judge(contracts),
        notify=lambda text: session.printer.say(text, "dim"),
        collateral=_synchronization(session, sender, settings),
    )


def _synchronization(
    session: Session, sender: Sender, settings: QuoteSettings
) -> Synchronization | None:
    """None: no PCCS was named, and the network has none of its own."""
    address = settings.pccs or session.connection.own_pccs
    if address is None:
        return None
    contracts = session.contracts
    return Synchronization(
        PccsReader(address),
        contracts.collateral,
        contracts.certificates,
        sender,
        root_fingerprint=contracts.deployment.root_ca_fingerprint,
    )


def _payout(session: Session, hosting: Hosting, given: str | None) -> str:
    """As given, else as fixed by an earlier enrolment, else the host itself."""
    if given is not None:
        return checksummed(given)
    return session.contracts.registry.payout_of(hosting.address) or hosting.address


def checksummed(address: str) -> str:
    """An address from an argument; a mixed-case one must have the right checksum."""
    digits = address[2:]
    of_one_case = digits in (digits.lower(), digits.upper())
    if not is_hex_address(address) or not (of_one_case or is_checksum_address(address)):
        raise typer.BadParameter("not an address, or one with a wrong checksum")
    return str(to_checksum_address(address))


def _report(session: Session, actions: HostActions, more: dict[str, Any]) -> None:
    session.printer.result(
        {
            "shardId": actions.shard_id,
            "transactions": [
                {"call": name, "transaction": sent.transaction_hash, "gasUsed": sent.gas_used}
                for name, sent in actions.sent
            ],
        }
        | more
    )


def _proven_json(proven: VerifiedEnclave) -> dict[str, Any]:
    identity = proven.statement.identity
    return {
        "modelId": identity.model_id,
        "layers": [identity.layers.first, identity.layers.end],
        "isEntry": identity.is_entry,
        "host": identity.host,
        "signer": identity.keyset.signer,
        "kem": "0x" + identity.keyset.kem.hex(),
        "tls": "0x" + identity.keyset.tls.hex(),
        "sliceDigest": "0x" + identity.slice_digest.hex(),
        "identityDigest": "0x" + identity.identity_digest().hex(),
        "measurement": "0x" + proven.quote.report.measurement.hex(),
        "quoteHash": None if proven.pck is None else _quote_hash(proven.quote, proven.pck),
        "pckId": "0x" + proven.pck_id.hex(),
        "tcbStatus": proven.tcb_status or None,
    }


def _quote_hash(quote: Quote, pck: PckRecord) -> str:
    return "0x" + quote_hash(quote.core, pck).hex()


def _shard_status(session: Session, shard: Shard, address: str) -> dict[str, Any]:
    allowance = session.contracts.escrow.allowance_of(address, shard.shard_id)
    return shard_json(shard, None) | {
        "allowanceQuota": allowance.quota,
        "allowanceLeft": allowance.left,
    }


def _print_status(session: Session, value: dict[str, Any]) -> None:
    printer = session.printer
    now = session.contracts.connection.head().timestamp
    printer.table(
        ("what", "value"),
        [
            ("earned, to withdraw", format_amount(int(value["credit"]))),
            ("paid out to", value["payout"] or "not fixed yet"),
            ("layers × tokens served", str(value["servedLayerTokens"])),
        ],
        title=f"Host {value['host']}",
    )
    if not value["shards"]:
        printer.say("No shard yet: `teetee host enrol --help`.")
        return
    printer.table(
        ("shard", "model", "layers", "active", "expires in", "bond", "free today"),
        [
            (
                str(row["shardId"]),
                str(row["modelId"]),
                f"[{row['layers'][0]}, {row['layers'][1]})",
                "✓" if row["active"] else f"✗ {row['status']}",
                format_seconds(max(0, row["attestedUntil"] - now)),
                format_amount(int(row["bond"])),
                f"{row['allowanceLeft']} of {row['allowanceQuota']} tokens",
            )
            for row in value["shards"]
        ],
        title="Shards",
    )
