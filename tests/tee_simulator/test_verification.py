# SPDX-License-Identifier: Apache-2.0
"""Unmodified dcap-qvl verifies simulated quotes with simulated collateral.

given a quote and collateral fetched from the simulator
    it should accept it under the test root as up to date
    it should reject it under Intel's root, and if a byte of the signed part changes
given another time, platform or authority
    it should find no collateral, or none in force
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dcap_qvl
import httpx
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tee_simulator import SimulatedEnclave, SimulatedPki
from tee_simulator.collateral.pccs import Pccs
from tee_simulator.guest.machine import Machine
from tee_simulator.guest.measurements import GuestMeasurements
from tee_simulator.http_server import HttpServer
from tests.tee_simulator.conftest import AT

INTEL_ROOT = (
    Path(__file__).parents[1] / "vectors" / "attestation" / "certs" / "intel_sgx_root_ca.der"
)

SECONDS = int(AT.timestamp())
DAY = 86_400
SIGNED_BYTES = 632


@pytest.fixture(scope="module")
def pccs() -> Iterator[str]:
    with HttpServer.on_loopback(0, Pccs(SimulatedPki.from_seed(b"p" * 32), lambda: AT)) as listener:
        yield f"http://127.0.0.1:{listener.port}"


@pytest.fixture(scope="module")
def quote() -> bytes:
    machine = Machine.from_seed(b"m" * 32, SimulatedPki.from_seed(b"p" * 32), AT)
    measured = GuestMeasurements.of(compose_hash=bytes(32), app_id=bytes(20), instance_id=bytes(20))
    return machine.quote(measured, b"r" * 64)


@pytest.fixture(scope="module")
def collateral(pccs: str, quote: bytes) -> Any:
    async def fetch() -> Any:
        return await dcap_qvl.get_collateral(pccs, quote)

    return asyncio.run(fetch())


def test_verify__under_the_test_root__up_to_date(
    pki: SimulatedPki, quote: bytes, collateral: Any
) -> None:
    report = dcap_qvl.verify_with_root_ca(quote, collateral, pki.root.der, SECONDS)
    assert (report.status, report.advisory_ids) == ("UpToDate", [])


def test_verify__with_its_strictest_policy__accepted(
    pki: SimulatedPki, quote: bytes, collateral: Any
) -> None:
    """Simulated machines have what most real ones have: SMT, cached keys, room for packages."""
    policy = dcap_qvl.QuotePolicy.strict(SECONDS)
    policy = policy.allow_smt(True).allow_cached_keys(True).allow_dynamic_platform(True)
    policy = policy.platform_grace_period(2 * DAY).qe_grace_period(2 * DAY)
    verifier = dcap_qvl.QuoteVerifier(pki.root.der)
    assert verifier.verify_with_policy(quote, collateral, SECONDS, policy)


def test_verify__under_intels_root__is_rejected(quote: bytes, collateral: Any) -> None:
    with pytest.raises(ValueError, match="Verification failed"):
        dcap_qvl.verify(quote, collateral, SECONDS)
    with pytest.raises(ValueError, match="Verification failed"):
        dcap_qvl.verify_with_root_ca(quote, collateral, INTEL_ROOT.read_bytes(), SECONDS)


def test_verify__under_another_test_root__is_rejected(quote: bytes, collateral: Any) -> None:
    stranger = SimulatedPki.from_seed(b"s" * 32).root.der
    with pytest.raises(ValueError, match="Verification failed"):
        dcap_qvl.verify_with_root_ca(quote, collateral, stranger, SECONDS)


@given(place=st.integers(0, SIGNED_BYTES - 1), mask=st.integers(1, 255))
def test_verify__any_byte_of_the_signed_part_changed__is_rejected(
    pki: SimulatedPki, quote: bytes, collateral: Any, place: int, mask: int
) -> None:
    changed = bytearray(quote)
    changed[place] ^= mask
    with pytest.raises(ValueError, match=r"failed|Unsupported|Unknown|decode"):
        dcap_qvl.verify_with_root_ca(bytes(changed), collateral, pki.root.der, SECONDS)


@pytest.mark.parametrize("after", [-DAY - 1, 29 * DAY + 1], ids=["before it", "after it"])
def test_verify__outside_the_collaterals_time__is_rejected(
    pki: SimulatedPki, quote: bytes, collateral: Any, after: int
) -> None:
    with pytest.raises(ValueError, match="Verification failed"):
        dcap_qvl.verify_with_root_ca(quote, collateral, pki.root.der, SECONDS + after)


def test_pccs__crl_as_pem__is_the_same_crl(pccs: str) -> None:
    address = f"{pccs}/sgx/certification/v4/pckcrl?ca=platform"
    pem = x509.load_pem_x509_crl(httpx.get(address).content)
    der = x509.load_der_x509_crl(httpx.get(f"{address}&encoding=der").content)
    assert pem == der


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/tdx/certification/v4/tcb?fmspc=B0C06F000000", id="another FMSPC"),
        pytest.param("/sgx/certification/v4/tcb?fmspc=53494D544458", id="SGX"),
        pytest.param("/sgx/certification/v4/pckcrl?ca=processor", id="another authority"),
        pytest.param("/", id="nothing"),
    ],
)
def test_pccs__what_is_not_ours__not_found(pccs: str, path: str) -> None:
    assert httpx.get(pccs + path).status_code == 404


def test_pccs__when_half_of_its_time_is_over__signs_again(pki: SimulatedPki) -> None:
    now = AT

    def clock() -> datetime:
        return now

    pccs = Pccs(pki, clock)
    first = pccs.current()
    now = AT + timedelta(days=10)
    assert pccs.current() is first
    now = AT + timedelta(days=15)
    assert pccs.current().next_update == now - timedelta(days=1) + timedelta(days=30)
    now = AT - timedelta(days=3)
    assert pccs.current().next_update < first.next_update


def test_get_quote__of_an_opened_enclave__accepted(
    pki: SimulatedPki, enclave: SimulatedEnclave, collateral: Any
) -> None:
    quote = enclave.get_quote(b"r" * 64)
    own = dcap_qvl.QuoteCollateralV3(
        collateral.pck_crl_issuer_chain,
        collateral.root_ca_crl,
        collateral.pck_crl,
        collateral.tcb_info_issuer_chain,
        collateral.tcb_info,
        collateral.tcb_info_signature,
        collateral.qe_identity_issuer_chain,
        collateral.qe_identity,
        collateral.qe_identity_signature,
    )
    report = dcap_qvl.verify_with_root_ca(quote, own, pki.root.der, SECONDS)
    assert report.ppid == enclave.machine.identity.ppid
