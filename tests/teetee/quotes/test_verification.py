# SPDX-License-Identifier: Apache-2.0
"""Verdicts on quotes, with collateral that Intel signed and with the simulator's.

given a recorded quote and collateral of the time
    when the platform is up to date
        it should be accepted, rebuilt from its core as well
    when it is behind
        it should be refused with its status and advisories, unless that status is accepted by name
    when a byte is changed, the root is another, or the time is outside the collateral's
        it should be refused
given quotes which dcap-qvl would accept and contracts would not
    they should be refused
given a PCCS
    it should fetch collateral that serves all machines of the kind
    when it does not answer, or has nothing
        it should say so, and that trying again may help
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tee_simulator.collateral.pccs import Pccs
from tee_simulator.guest.machine import Machine
from tee_simulator.guest.measurements import GuestMeasurements
from tee_simulator.http_server import HttpServer
from tee_simulator.pki.signatures import sign_p256
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.collateral.quote_collateral import fetch_collateral
from teetee.errors import Fatal, Retryable
from teetee.quotes.certificates.pck_chain import certificate_id, chain_from_pem
from teetee.quotes.collateral.dcap_qvl_json import Collateral
from teetee.quotes.errors import (
    CollateralInvalid,
    CollateralUnavailable,
    QuoteError,
    QuoteMalformed,
    QuoteRefused,
    TcbStatusRefused,
)
from teetee.quotes.quote import Quote, rebuild_quote
from teetee.quotes.verification import QuoteVerdict, verify_quote
from tests.teetee.quotes import recorded

AT = datetime(2026, 3, 1, tzinfo=UTC)
SECONDS = int(AT.timestamp())
PKI = SimulatedPki.from_seed(b"p" * 32)
MEASURED = GuestMeasurements.of(compose_hash=b"c" * 32, app_id=bytes(20), instance_id=bytes(20))

OUT_OF_DATE = ("INTEL-SA-01192", "INTEL-SA-01245", "INTEL-SA-01312", "INTEL-SA-01313")


@pytest.fixture(scope="module")
def pccs() -> Iterator[str]:
    with HttpServer.on_loopback(0, Pccs(PKI, lambda: AT)) as listener:
        yield f"http://127.0.0.1:{listener.port}"


def machine(seed: bytes) -> Machine:
    return Machine.from_seed(seed, PKI, AT)


def resigned(owner: Machine, quote: bytes, offset: int, content: bytes) -> bytes:
    """The quote with other bytes at `offset`, signed by that machine."""
    signed = quote[:offset] + content + quote[offset + len(content) : 632]
    return signed + quote[632:636] + sign_p256(owner.attestation_key, signed) + quote[700:]


def test_verify__up_to_date_platform__accepted_rebuilt_as_well() -> None:
    raw, collateral = recorded.quote(recorded.NEAR_MPC), recorded.collateral(recorded.AUGUST_2026)
    rebuilt = rebuild_quote(Quote.parse(raw).core, *Quote.parse(raw).pck_chain_der())
    for quote in (raw, rebuilt):
        verdict = verify_quote(quote, collateral, recorded.INTEL_ROOT, recorded.IN_AUGUST_2026)
        assert verdict == QuoteVerdict("UpToDate", ())


def test_verify__the_same_platform_a_year_later__refused_with_its_advisories() -> None:
    raw = recorded.quote(recorded.PHALA)
    then, later = (
        recorded.collateral(recorded.JUNE_2025),
        recorded.collateral(recorded.AUGUST_2026),
    )
    verdict = verify_quote(raw, then, recorded.INTEL_ROOT, recorded.IN_JUNE_2025)
    assert verdict.status == "UpToDate"
    with pytest.raises(TcbStatusRefused) as caught:
        verify_quote(raw, later, recorded.INTEL_ROOT, recorded.IN_AUGUST_2026)
    assert (caught.value.status, caught.value.advisory_ids) == ("OutOfDate", OUT_OF_DATE)
    accepted = {"UpToDate", "OutOfDate"}
    verdict = verify_quote(
        raw, later, recorded.INTEL_ROOT, recorded.IN_AUGUST_2026, accepted=accepted
    )
    assert verdict == QuoteVerdict("OutOfDate", OUT_OF_DATE)


@given(place=st.integers(8, 631), mask=st.integers(1, 255))
def test_verify__any_byte_of_the_signed_part_changed__refused(place: int, mask: int) -> None:
    changed = bytearray(recorded.quote(recorded.NEAR_MPC))
    changed[place] ^= mask
    collateral = recorded.collateral(recorded.AUGUST_2026)
    with pytest.raises(QuoteRefused):
        verify_quote(bytes(changed), collateral, recorded.INTEL_ROOT, recorded.IN_AUGUST_2026)


def test_verify__another_root__refused() -> None:
    collateral = recorded.collateral(recorded.AUGUST_2026)
    with pytest.raises(QuoteRefused):
        verify_quote(
            recorded.quote(recorded.NEAR_MPC), collateral, PKI.root.der, recorded.IN_AUGUST_2026
        )


def test_verify__collateral_of_another_kind_of_platform__refused() -> None:
    collateral = recorded.collateral(recorded.JUNE_2025)
    with pytest.raises(QuoteRefused, match="Fmspc mismatch"):
        verify_quote(
            recorded.quote(recorded.AUTOMATA),
            collateral,
            recorded.INTEL_ROOT,
            recorded.IN_JUNE_2025,
        )


def test_verify__after_the_collateral_ended__refused() -> None:
    collateral = recorded.collateral(recorded.JUNE_2025)
    with pytest.raises(QuoteRefused):
        verify_quote(recorded.quote(recorded.PHALA), collateral, recorded.INTEL_ROOT, 1752919236)


def test_verify__crl_of_the_future__refused() -> None:
    """dcap-qvl 0.7.0 accepts one; see the recorded set's notes."""
    collateral = recorded.collateral(recorded.AUGUST_2026)
    with pytest.raises(CollateralInvalid, match="has a PCK CRL issued only at 2026-08-12"):
        verify_quote(
            recorded.quote(recorded.NEAR_MPC), collateral, recorded.INTEL_ROOT, 1786579031 - 1
        )


@pytest.mark.parametrize(
    ("offset", "content", "reason"),
    [
        pytest.param(168, b"\x01", "Debug mode is enabled", id="debug"),
        pytest.param(171, b"\x00", "SEPT_VE_DISABLE is not enabled", id="no SEPT_VE_DISABLE"),
        pytest.param(171, b"\x30", "TD migration is enabled", id="migratable"),
        pytest.param(280, b"\x01", "MROWNER or MROWNERCONFIG is set", id="owner"),
        pytest.param(375, b"\x01", "MROWNER or MROWNERCONFIG is set", id="owner's configuration"),
        pytest.param(112, b"\x01", "its TDX module is not Intel's", id="module's signer"),
        pytest.param(160, b"\x01", "its TDX module is not Intel's", id="module's attributes"),
    ],
)
def test_verify__td_that_a_contract_refuses__refused(
    pccs: str, offset: int, content: bytes, reason: str
) -> None:
    owner = machine(b"1" * 32)
    quote = owner.quote(MEASURED, bytes(64))
    collateral = fetch_collateral(pccs, quote)
    changed = resigned(owner, quote, offset, content)
    with pytest.raises(QuoteRefused, match=reason):
        verify_quote(changed, collateral, PKI.root.der, SECONDS)
    assert verify_quote(quote, collateral, PKI.root.der, SECONDS).status == "UpToDate"


def test_fetch_collateral__for_one_machine__serves_another_of_its_kind(pccs: str) -> None:
    one, other = machine(b"1" * 32), machine(b"2" * 32)
    collateral = fetch_collateral(pccs, one.quote(MEASURED, bytes(64)))
    assert collateral.fmspc == "53494D544458"
    quote = other.quote(MEASURED, bytes(64))
    assert verify_quote(quote, collateral, PKI.root.der, SECONDS) == QuoteVerdict("UpToDate", ())


def test_collateral__kept_as_json__read_back(pccs: str) -> None:
    collateral = fetch_collateral(pccs, machine(b"1" * 32).quote(MEASURED, bytes(64)))
    assert Collateral.parse(collateral.json) == collateral
    assert "pck_certificate_chain" not in json.loads(collateral.json)


def test_collateral__with_a_chain_of_its_own__the_quotes_counts(pccs: str) -> None:
    """A chain in the collateral would override the quote's and verify another machine's leaf."""
    one, other = machine(b"1" * 32), machine(b"2" * 32)
    collateral = fetch_collateral(pccs, one.quote(MEASURED, bytes(64)))
    chain = one.pck.public_bytes(Encoding.PEM).decode() + PKI.platform_ca.pem + PKI.root.pem
    spiked = Collateral(json.dumps({**json.loads(collateral.json), "pck_certificate_chain": chain}))
    quote = other.quote(MEASURED, bytes(64))
    assert verify_quote(quote, spiked, PKI.root.der, SECONDS).status == "UpToDate"


def test_collateral__not_in_its_form__refused() -> None:
    with pytest.raises(CollateralInvalid, match="is not in dcap-qvl's form"):
        Collateral.parse("{}")


def test_fetch_collateral__for_a_kind_that_the_pccs_does_not_know__unavailable(pccs: str) -> None:
    with pytest.raises(CollateralUnavailable, match="404"):
        fetch_collateral(pccs, recorded.quote(recorded.NEAR_MPC))


def test_fetch_collateral__no_server__unavailable() -> None:
    with HttpServer.on_loopback(0, Pccs(PKI, lambda: AT)) as listener:
        closed_url = f"http://127.0.0.1:{listener.port}"
    with pytest.raises(CollateralUnavailable, match=f"No collateral from {closed_url}"):
        fetch_collateral(closed_url, recorded.quote(recorded.NEAR_MPC))


def test_fetch_collateral__for_no_quote__refused_at_once() -> None:
    with pytest.raises(QuoteMalformed):
        fetch_collateral("http://127.0.0.1:1", b"no quote")


def test_errors__each__is_fatal_but_for_what_may_come_back() -> None:
    for error in (QuoteMalformed, QuoteRefused, TcbStatusRefused, CollateralInvalid):
        assert issubclass(error, QuoteError)
    assert issubclass(QuoteError, Fatal)
    assert issubclass(CollateralUnavailable, Retryable)


def test_quote__machine_and_parser__agree() -> None:
    owner = machine(b"1" * 32)
    parsed = Quote.parse(owner.quote(MEASURED, b"r" * 64))
    assert parsed.report.mr_config_id == MEASURED.mr_config_id
    assert parsed.report.rtmrs == MEASURED.rtmrs
    assert certificate_id(owner.pck.public_bytes(Encoding.DER)) == certificate_id(
        chain_from_pem(parsed.pck_chain)[0]
    )
