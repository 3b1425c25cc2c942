# SPDX-License-Identifier: Apache-2.0
"""What `teetee collateral` does: read the chain's collateral, and upload what a PCCS has newer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from teetee.chain.contracts.collateral import PlatformKind, StoredCollateral
from teetee.cli.output.formats import format_minute
from teetee.cli.session import Session
from teetee.client.contracts import Contracts
from teetee.client.errors import CollateralKeptElsewhere, NoCollateralSource
from teetee.collateral.pccs import PccsReader
from teetee.collateral.platform_kinds import (
    highest_minimum_evaluation_number,
    parse_platform_kind,
    platform_kinds_of_shards,
)
from teetee.collateral.rechecks import RecheckOutcome, recheck_shards
from teetee.collateral.synchronization import Synchronization, SynchronizedItem


def show_collateral(session: Session, fmspc: Sequence[str] | None) -> None:
    """Print each item with its validity. Raises `CollateralKeptElsewhere`."""
    printer, contracts = session.printer, session.contracts
    _require_own_collateral(contracts)
    with printer.waiting("Reading the chain…"):
        kept = list(_kept(contracts, _kinds(contracts, fmspc)))
        now = contracts.connection.head().timestamp
    printer.result([_kept_json(what, item, now) for what, item in kept])
    if not printer.as_json:
        rows = [(what, *_times(item), _validity(item, now)) for what, item in kept]
        printer.table(("what", "issued (UTC)", "valid until", "state"), rows, lead=("{}",))


def sync_collateral(
    session: Session,
    keystore: Path | None,
    pccs: str | None,
    fmspc: Sequence[str] | None,
    *,
    recheck: bool,
) -> None:
    """Upload newer items, then recheck the shards. Raises `CollateralKeptElsewhere`."""
    contracts, printer = session.contracts, session.printer
    _require_own_collateral(contracts)
    sender = session.sender(session.account(keystore))
    reader = PccsReader(_address(session, pccs))
    synchronization = Synchronization(
        reader,
        contracts.collateral,
        contracts.certificates,
        sender,
        root_fingerprint=contracts.deployment.root_ca_fingerprint,
    )
    items, minimum = [], highest_minimum_evaluation_number(contracts.registry)
    with printer.waiting(f"Comparing {reader.name} with the chain…") as progress:
        for item in synchronization.run(_kinds(contracts, fmspc), minimum):
            items.append(item)
            if item.sent is not None:
                printer.say(f"{item.what} uploaded, {item.gas_used:,} gas", "dim")
        progress("Rechecking the shards…")
        rechecks = list(recheck_shards(contracts.registry, sender)) if recheck else []
    printer.result(
        {
            "pccs": reader.name,
            "items": [item.to_json() for item in items],
            "rechecks": [each.to_json() for each in rechecks],
        }
    )
    if not printer.as_json:
        _print_sync(session, items, rechecks)


def _require_own_collateral(contracts: Contracts) -> None:
    if contracts.registry.verifier.is_adapter:
        raise CollateralKeptElsewhere


def _address(session: Session, pccs: str | None) -> str:
    """Raises `NoCollateralSource` where no PCCS was named and the network has none of its own."""
    address = pccs or session.connection.default_pccs
    if address is None:
        raise NoCollateralSource
    return address


def _kinds(contracts: Contracts, fmspc: Sequence[str] | None) -> set[PlatformKind]:
    named = {parse_platform_kind(each) for each in fmspc or ()}
    return named | platform_kinds_of_shards(contracts.registry)


def _kept(contracts: Contracts, kinds: set[PlatformKind]) -> Iterator[tuple[str, StoredCollateral]]:
    store = contracts.collateral
    yield "root CRL", store.root_crl()
    for authority_id in contracts.certificates.authority_ids():
        yield f"CRL of authority 0x{authority_id.hex()}", store.pck_crl(authority_id)
    for number in store.qe_identity_numbers():
        yield f"QE identity {number}", store.qe_identity(number)
    for kind in sorted(kinds, key=str):
        numbers = store.tcb_info_numbers(kind)
        for number in numbers:
            yield f"TCB info {kind} {number}", store.tcb_info(kind, number)
        if not numbers:
            yield f"TCB info {kind}", StoredCollateral(0, 0)


def _kept_json(what: str, item: StoredCollateral, now: int) -> dict[str, Any]:
    return {
        "what": what,
        "issuedAt": item.issued_at or None,
        "nextUpdate": item.next_update or None,
        "inForce": item.exists and now <= item.next_update,
    }


def _print_sync(
    session: Session, items: list[SynchronizedItem], rechecks: list[RecheckOutcome]
) -> None:
    session.printer.table(
        ("what", "issued (UTC)", "valid until", "on chain"),
        [
            (
                item.what,
                *_times(item),
                f"✓ uploaded, {item.gas_used:,} gas" if item.sent else "✓ was there",
            )
            for item in items
        ],
    )
    session.printer.table(
        ("shard", "before", "after", "problem"),
        [
            (str(each.shard_id), each.before.name, each.after.name, each.error or "")
            for each in rechecks
        ],
        title="Rechecked shards" if rechecks else "",
    )


def _validity(item: StoredCollateral, now: int) -> str:
    if not item.exists:
        return "✗ missing"
    return "✓ valid" if now <= item.next_update else "✗ expired"


def _times(item: StoredCollateral | SynchronizedItem) -> tuple[str, str]:
    times = format_minute(item.issued_at), format_minute(item.next_update)
    return times[0].removesuffix(" UTC"), times[1].removesuffix(" UTC")
