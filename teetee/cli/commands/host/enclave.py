# SPDX-License-Identifier: Apache-2.0
"""What the commands of `teetee host` do with enclaves and the registry. Imported when one runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from teetee.chain.transactions.sender import TransactionSender
from teetee.cli.network import QuoteSettings
from teetee.cli.output.formats import format_minute
from teetee.cli.session import Session
from teetee.client.hosting.enclave_check import EnclaveCheck, VerifiedEnclave
from teetee.client.hosting.hosting import HostActions, Hosting
from teetee.client.hosting.shard_probe import await_enclave
from teetee.client.times import format_seconds
from teetee.client.wallet_file_errors import NoKey
from teetee.collateral.pccs import PccsReader
from teetee.collateral.synchronization import Synchronization
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from teetee.quotes.claims import PckRecord, quote_hash
from teetee.quotes.quote import Quote

NO_QUOTES = QuoteSettings(skip=True)


def open_hosting(
    session: Session, keystore: Path | None, quotes: QuoteSettings = NO_QUOTES
) -> Hosting:
    """The host's actions, by its wallet."""
    account = session.account(keystore)
    contracts, sender = session.contracts, session.sender(account)
    return Hosting(
        contracts,
        account,
        sender,
        quotes=quotes.quote_check(contracts),
        notify=lambda text: session.printer.say(text, "dim"),
        collateral=_synchronization(session, sender, quotes),
    )


def show_keys(
    session: Session, keystore: Path | None, quotes: QuoteSettings, endpoint: str
) -> None:
    """Print an enclave's keys and the facts of its quote, and what keeps this wallet from enrolling
    it. Works without a wallet.
    """
    contracts, printer = session.contracts, session.printer
    try:
        address: str | None = session.address(keystore)
    except NoKey:
        address = None
    check = EnclaveCheck(
        contracts,
        address,
        quotes=quotes.quote_check(contracts),
        notify=lambda text: printer.say(text, "dim"),
    )
    # The enclave signs for a payout address; this statement is not sent anywhere.
    payout = address or contracts.deployment.registry
    enclave = check.inspect(Endpoint.parse(endpoint), endpoint, payout)
    value = _enclave_json(enclave)
    printer.result(value | {"objections": list(enclave.objections)})
    if not printer.as_json:
        printer.record(_enclave_fields(enclave, value), title=f"Enclave at {endpoint}")
    for objection in enclave.objections:
        printer.warn(f"You cannot enrol this enclave: {objection}.")


def enrol_enclave(
    session: Session,
    keystore: Path | None,
    quotes: QuoteSettings,
    endpoint: str,
    connect: str,
    payout: str | None,
    wait_seconds: int,
) -> None:
    """Check the enclave, enrol it, and say what is next."""
    public, listening_at = Endpoint.parse(endpoint), Endpoint.parse(connect)
    hosting = open_hosting(session, keystore, quotes)
    receiver = _payout(session, hosting, payout)
    _await_enclave(session, listening_at, wait_seconds)
    enclave = hosting.verify_enclave(listening_at, str(public), receiver)
    actions = hosting.enrol(enclave)
    session.printer.result(actions_json(actions) | _enclave_json(enclave))
    identity = enclave.statement.identity
    session.printer.say(
        f"Shard {actions.shard_id} is enrolled and may serve layers "
        f"{identity.layers} of model {identity.model_id}. "
        "`teetee host status` shows it, `teetee shards --probe` whether it answers.",
        "good",
    )


def renew_shard(
    session: Session,
    keystore: Path | None,
    quotes: QuoteSettings,
    shard: int,
    endpoint: str | None,
    connect: str | None,
) -> None:
    """Show the registry a fresh quote of an enrolled enclave."""
    hosting, registry = open_hosting(session, keystore, quotes), session.contracts.registry
    enrolled = registry.shard(ShardId(shard))
    enclave = _verify_enrolled(session, hosting, endpoint or enrolled.endpoint, connect)
    actions = hosting.renew(enrolled, enclave)
    attested_until = registry.shard(ShardId(shard)).attested_until
    session.printer.result(actions_json(actions) | {"attestedUntil": attested_until})
    session.printer.say(f"Shard {shard} is attested until {format_minute(attested_until)}.", "good")


def _verify_enrolled(
    session: Session, hosting: Hosting, endpoint: str, connect: str | None
) -> VerifiedEnclave:
    """The enclave behind a shard, reached at `connect` if that is given, for the payout address
    that the host has."""
    public = str(Endpoint.parse(endpoint))
    receiver = _payout(session, hosting, None)
    return hosting.verify_enclave(Endpoint.parse(connect or public), public, receiver)


def rekey_shard(
    session: Session,
    keystore: Path | None,
    quotes: QuoteSettings,
    shard: int,
    endpoint: str | None,
    connect: str | None,
) -> None:
    """Show the registry a fresh quote of an enrolled enclave that has new keys."""
    hosting, registry = open_hosting(session, keystore, quotes), session.contracts.registry
    enrolled = registry.shard(ShardId(shard))
    enclave = _verify_enrolled(session, hosting, endpoint or enrolled.endpoint, connect)
    actions = hosting.rekey(enrolled, enclave)
    rekeyed = registry.shard(ShardId(shard))
    facts = {"attestedUntil": rekeyed.attested_until, "signer": rekeyed.keyset.signer}
    session.printer.result(actions_json(actions) | facts)
    until = format_minute(rekeyed.attested_until)
    session.printer.say(f"Shard {shard} has new keys and is attested until {until}.", "good")
    if rekeyed.is_entry:
        session.printer.say(
            f"Send some ETH for gas to its new signer {rekeyed.keyset.signer}.", "dim"
        )


def actions_json(actions: HostActions) -> dict[str, Any]:
    """The transactions, in order."""
    return {
        "shardId": actions.shard_id,
        "transactions": [
            {"call": name, "transaction": sent.transaction_hash, "gasUsed": sent.gas_used}
            for name, sent in actions.sent
        ],
    }


def _await_enclave(session: Session, endpoint: Endpoint, seconds: int) -> None:
    give_up_at = time.monotonic() + seconds

    def progress() -> str:
        left = format_seconds(max(0, round(give_up_at - time.monotonic())))
        return f"Waiting for the enclave at {endpoint} to start… {left} left"

    def say_once(reason: str) -> None:
        session.printer.say(
            f"The enclave at {endpoint} does not answer yet ({reason}); trying again for "
            f"{format_seconds(seconds)}. --wait sets the time.",
            "dim",
        )

    with session.printer.waiting(progress):
        await_enclave(endpoint, seconds, say_once)


def _synchronization(
    session: Session, sender: TransactionSender, quotes: QuoteSettings
) -> Synchronization | None:
    """None: no PCCS is named, and the network has no default."""
    url = quotes.pccs or session.connection.default_pccs
    if url is None:
        return None
    contracts = session.contracts
    return Synchronization(
        PccsReader(url),
        contracts.collateral,
        contracts.certificates,
        sender,
        root_fingerprint=contracts.deployment.root_ca_fingerprint,
    )


def _payout(session: Session, hosting: Hosting, given: str | None) -> str:
    """As given, else as fixed by an earlier enrolment, else the host itself."""
    return given or session.contracts.registry.payout_of(hosting.address) or hosting.address


def _enclave_json(enclave: VerifiedEnclave) -> dict[str, Any]:
    identity = enclave.statement.identity
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
        "measurement": "0x" + enclave.quote.report.measurement.hex(),
        "quoteHash": None if enclave.pck is None else _quote_hash(enclave.quote, enclave.pck),
        "pckId": "0x" + enclave.pck_id.hex(),
        "tcbStatus": enclave.tcb_status or None,
    }


def _enclave_fields(enclave: VerifiedEnclave, value: dict[str, Any]) -> list[tuple[str, str]]:
    identity = enclave.statement.identity
    kind = "entry shard" if identity.is_entry else "stage"
    return [
        ("serves", f"model {identity.model_id}, layers {identity.layers}, {kind}"),
        ("host", identity.host),
        ("signer", identity.keyset.signer),
        ("KEM key", value["kem"]),
        ("TLS key", value["tls"]),
        ("slice", value["sliceDigest"]),
        ("identity", value["identityDigest"]),
        ("measured", value["measurement"]),
        ("quote", value["quoteHash"] or "unknown while the chain lacks the machine's certificate"),
        ("PCK", value["pckId"]),
        ("TCB", value["tcbStatus"] or "not checked here"),
    ]


def _quote_hash(quote: Quote, pck: PckRecord) -> str:
    return "0x" + quote_hash(quote.core, pck).hex()
