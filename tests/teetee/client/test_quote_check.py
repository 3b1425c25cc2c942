# SPDX-License-Identifier: Apache-2.0
"""Quotes rebuilt from a chain's certificates and checked by dcap-qvl.

given a quote of a simulated machine, its certificates and its collateral
    when all fits
        it should be accepted, as of the time asked for
    when the collateral is younger than that time
        it should be checked as of the collateral's issue, and say so
    when the collateral is of the future, of another platform, or unavailable
        it should be refused
    when the root, the leaf or one signed byte is another
        it should be refused
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tee_simulator.collateral.issue import AGE
from tee_simulator.collateral.pccs import Pccs
from tee_simulator.guest.machine import Machine
from tee_simulator.guest.measurements import GuestMeasurements
from tee_simulator.http_server import HttpServer
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.chain.contracts.certificates import CertificateChain
from teetee.client.errors import CertificateMissing, CollateralMissing, NoCollateralSource
from teetee.client.verification.quote_check import (
    FolderCollateral,
    NoCollateral,
    PccsCollateral,
    QuoteCheck,
    issued_at,
)
from teetee.collateral.quote_collateral import fetch_collateral
from teetee.errors import Fatal
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.collateral.dcap_qvl_json import Collateral
from teetee.quotes.errors import CollateralInvalid, CollateralUnavailable
from teetee.quotes.quote import Quote
from tests.teetee.chain.local_chain import free_port

NOW = datetime.now(UTC).replace(microsecond=0)
AT = int(NOW.timestamp())
FRESH = NOW - timedelta(hours=1)
PKI = SimulatedPki.from_seed(b"quote check" + bytes(21))
OTHER_PKI = SimulatedPki.from_seed(b"another root" + bytes(20))
MACHINE = Machine.from_seed(b"machine" + bytes(25), PKI, NOW - timedelta(days=9))
MEASUREMENTS = GuestMeasurements.of(compose_hash=bytes(32), app_id=bytes(20), instance_id=bytes(20))
QUOTE = MACHINE.quote(MEASUREMENTS, bytes(range(64)))
CORE = Quote.parse(QUOTE).core
LEAF, AUTHORITY, ROOT = Quote.parse(QUOTE).pck_chain_der()
PCK_ID = certificate_id(LEAF)


class Store:
    """The certificates of one machine."""

    def __init__(self, leaf: bytes = LEAF, root: bytes = ROOT) -> None:
        self._chain = CertificateChain(leaf=leaf, authority=AUTHORITY, root=root)

    def chain(self, pck_id: bytes) -> CertificateChain:
        return self._chain


class Given:
    """Collateral that is already here."""

    def __init__(self, collateral: Collateral) -> None:
        self._collateral = collateral

    def collateral(self, quote: bytes) -> Collateral:
        return self._collateral


def collateral_of(issued: datetime, pki: SimulatedPki = PKI) -> Collateral:
    listener = HttpServer.on_loopback(0, Pccs(pki, lambda: issued))
    try:
        return fetch_collateral(f"http://127.0.0.1:{listener.port}", QUOTE)
    finally:
        listener.stop()


def check_of(collateral: Collateral, store: Store | None = None, **changes: object) -> QuoteCheck:
    values: dict[str, object] = {
        "root_fingerprint": hashlib.sha256(ROOT).digest(),
        "clock": lambda: float(AT),
    }
    return QuoteCheck(store or Store(), Given(collateral), **(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fresh() -> Collateral:
    return collateral_of(FRESH)


def test_check__all_fits__is_accepted_as_of_then(fresh: Collateral) -> None:
    accepted = check_of(fresh).check(CORE, PCK_ID, AT)
    assert accepted.tcb_status == "UpToDate"
    assert accepted.report_data == bytes(range(64))
    issued = f"{FRESH - AGE:%Y-%m-%d}"
    assert accepted.basis == (
        f"by TCB info 20 of 53494D544458 issued {issued}, as of {NOW:%Y-%m-%d %H:%M:%S} UTC"
    )


def test_check__collateral_is_younger__is_checked_as_of_its_issue(
    fresh: Collateral,
) -> None:
    long_before = issued_at(fresh) - 5400
    accepted = check_of(fresh).check(CORE, PCK_ID, long_before)
    assert "when its collateral was issued" in accepted.basis


def test_check__collateral_of_the_future__is_refused() -> None:
    # The simulator dates its collateral a day back.
    future = collateral_of(NOW + timedelta(days=1, hours=1))
    with pytest.raises(CollateralInvalid, match="from the future"):
        check_of(future).check(CORE, PCK_ID, AT)


def test_check__collateral_under_another_root__is_refused() -> None:
    foreign = collateral_of(NOW - timedelta(hours=1), OTHER_PKI)
    with pytest.raises(Fatal):
        check_of(foreign).check(CORE, PCK_ID, AT)


def test_check__collateral_expired__is_refused() -> None:
    old = collateral_of(NOW - timedelta(days=90))
    with pytest.raises(Fatal):
        check_of(old).check(CORE, PCK_ID, AT)


def test_check__another_root_than_pinned__is_refused(fresh: Collateral) -> None:
    with pytest.raises(CertificateMissing, match="pinned root"):
        check_of(fresh, root_fingerprint=bytes(32)).check(CORE, PCK_ID, AT)


def test_check__another_leaf_than_named__is_refused(fresh: Collateral) -> None:
    with pytest.raises(CertificateMissing, match="PCK"):
        check_of(fresh, Store(leaf=AUTHORITY)).check(CORE, PCK_ID, AT)


@pytest.mark.parametrize("place", [0, 48, 520, 632, 700, 770, 1200])
def test_check__one_byte_of_the_core_changed__is_refused(fresh: Collateral, place: int) -> None:
    changed = bytearray(CORE)
    changed[place] ^= 1
    with pytest.raises(Fatal):
        check_of(fresh).check(bytes(changed), PCK_ID, AT)


def test_check__no_source_named__says_how_to() -> None:
    check = QuoteCheck(Store(), NoCollateral(), root_fingerprint=hashlib.sha256(ROOT).digest())
    with pytest.raises(NoCollateralSource, match="--pccs"):
        check.check(CORE, PCK_ID, AT)


def test_pccs_collateral__away__may_pass() -> None:
    with pytest.raises(CollateralUnavailable):
        PccsCollateral(f"http://127.0.0.1:{free_port()}").collateral(QUOTE)


def test_pccs_collateral__asked_twice__is_fetched_once() -> None:
    listener = HttpServer.on_loopback(0, Pccs(PKI, lambda: NOW - timedelta(hours=1)))
    source = PccsCollateral(f"http://127.0.0.1:{listener.port}")
    first = source.collateral(QUOTE)
    listener.stop()
    assert source.collateral(QUOTE) is first


def test_folder_collateral__kept_beside_the_quote__is_found(
    fresh: Collateral, tmp_path: Path
) -> None:
    (tmp_path / "platform.json").write_text(fresh.json)
    assert FolderCollateral(tmp_path).collateral(QUOTE).json == fresh.json


def test_folder_collateral__nothing_for_this_platform__names_it(tmp_path: Path) -> None:
    with pytest.raises(CollateralMissing, match="53494D544458"):
        FolderCollateral(tmp_path).collateral(QUOTE)


def test_folder_collateral__something_else_in_it__is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(CollateralInvalid):
        FolderCollateral(tmp_path).collateral(QUOTE)
