# SPDX-License-Identifier: Apache-2.0
"""`teetee collateral`: what the chain judges platforms by, and bringing it what is newer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from teetee.chain.contracts.collateral import Kept, PlatformKind
from teetee.cli.options import KeystoreOption, PccsOption
from teetee.cli.session import Session, with_session
from teetee.client.contracts import Contracts
from teetee.client.errors import CollateralKeptElsewhere, NoCollateralSource
from teetee.collateral.kinds import highest_minimum, kind_of, kinds_of_shards
from teetee.collateral.pccs import PccsReader
from teetee.collateral.rechecks import Recheck, recheck_shards
from teetee.collateral.synchronization import Item, Synchronization

collateral = typer.Typer(
    no_args_is_help=True,
    help="What the chain judges platforms by.",
    epilog="""
  $ teetee collateral show

  $ teetee collateral sync --pccs https://pccs.example --recheck
""",
)
FmspcOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fmspc",
        help="Also this kind of platform, 12 hex digits; may be repeated. Default: the kinds that "
        "enrolled shards are of.",
    ),
]


@collateral.command()
@with_session
def show(session: Session, fmspc: FmspcOption = None) -> None:
    """List the collateral that the chain keeps, and until when it is in force."""
    if session.contracts.registry.verifier.is_adapter:
        raise CollateralKeptElsewhere
    with session.printer.waiting("Reading the chain…"):
        kept = list(_kept(session.contracts, _kinds(session.contracts, fmspc)))
        now = session.contracts.connection.head().timestamp
    session.printer.result([_kept_json(what, item, now) for what, item in kept])
    if not session.printer.as_json:
        session.printer.table(
            ("what", "issued", "until", "in force"),
            [
                (what, *_times(item.issued_at, item.next_update), _force(item, now))
                for what, item in kept
            ],
        )


@collateral.command()
@with_session
def sync(
    session: Session,
    pccs: PccsOption = None,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Then have all shards judged anew.")
    ] = False,
    fmspc: FmspcOption = None,
    keystore: KeystoreOption = None,
) -> None:
    """Bring the chain what a PCCS has newer. Anyone may; it costs gas."""
    contracts = session.contracts
    if contracts.registry.verifier.is_adapter:
        raise CollateralKeptElsewhere
    sender = session.sender(session.account(keystore))
    reader = PccsReader(_address(session, pccs))
    synchronization = Synchronization(
        reader,
        contracts.collateral,
        contracts.certificates,
        sender,
        root_fingerprint=contracts.deployment.root_ca_fingerprint,
    )
    minimum = highest_minimum(contracts.registry)
    items = []
    with session.printer.waiting(f"Comparing {reader.name} with the chain…"):
        for item in synchronization.run(_kinds(contracts, fmspc), minimum):
            items.append(item)
            if item.sent is not None:
                session.printer.say(f"{item.what} brought, {item.sent.gas_used:,} gas", "dim")
        rechecks = list(recheck_shards(contracts.registry, sender)) if recheck else []
    session.printer.result(
        {
            "pccs": reader.name,
            "items": [item.to_json() for item in items],
            "rechecks": [each.to_json() for each in rechecks],
        }
    )
    if not session.printer.as_json:
        _print_sync(session, items, rechecks)


def _address(session: Session, pccs: str | None) -> str:
    """Raises `NoCollateralSource` where no PCCS was named and the network has none of its own."""
    address = pccs or session.connection.own_pccs
    if address is None:
        raise NoCollateralSource
    return address


def _kinds(contracts: Contracts, fmspc: Sequence[str] | None) -> set[PlatformKind]:
    named = {kind_of(each) for each in fmspc or ()}
    return named | kinds_of_shards(contracts.registry, contracts.certificates)


def _kept(contracts: Contracts, kinds: set[PlatformKind]) -> Iterator[tuple[str, Kept]]:
    store = contracts.collateral
    yield "root CRL", store.root_crl()
    for authority_id in contracts.certificates.authority_ids():
        yield f"CRL of authority 0x{authority_id.hex()[:8]}…", store.pck_crl(authority_id)
    for number in store.qe_identity_numbers():
        yield f"QE identity {number}", store.qe_identity(number)
    for kind in sorted(kinds, key=str):
        numbers = store.tcb_info_numbers(kind)
        for number in numbers:
            yield f"TCB info {kind} {number}", store.tcb_info(kind, number)
        if not numbers:
            yield f"TCB info {kind}", Kept(0, 0)


def _kept_json(what: str, item: Kept, now: int) -> dict[str, Any]:
    return {
        "what": what,
        "issuedAt": item.issued_at or None,
        "nextUpdate": item.next_update or None,
        "inForce": item.is_there and now <= item.next_update,
    }


def _print_sync(session: Session, items: list[Item], rechecks: list[Recheck]) -> None:
    session.printer.table(
        ("what", "issued", "until", "chain"),
        [
            (
                item.what,
                *_times(item.issued_at, item.next_update),
                f"✓ brought, {item.sent.gas_used:,} gas" if item.sent else "✓ had it",
            )
            for item in items
        ],
    )
    if rechecks:
        session.printer.table(
            ("shard", "before", "after", ""),
            [
                (str(each.shard_id), each.before.name, each.after.name, each.error or "")
                for each in rechecks
            ],
            title="Shards judged anew",
        )


def _force(item: Kept, now: int) -> str:
    if not item.is_there:
        return "✗ missing"
    return "✓" if now <= item.next_update else "✗ ended"


def _times(issued_at: int, next_update: int) -> tuple[str, str]:
    return _shown(issued_at), _shown(next_update)


def _shown(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}" if seconds else "none"
