# SPDX-License-Identifier: Apache-2.0
"""Parsing and encoding quotes.

given a recorded quote of a TDX machine
    it should be trimmed to its core, and rebuilt to the same bytes
    its core should be found with and without the PEM chain after it
    its measurement, hash and ids should equal the contracts'
given a quote of another kind, cut off, followed by other bytes, or with other lengths
    it should be refused with the reason
given malformed certificates
    it should refuse to rebuild
"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.quotes.certificates.pck_chain import certificate_id, chain_from_pem, platform_id
from teetee.quotes.claims import pck_record, quote_hash
from teetee.quotes.errors import CertificateMalformed, QuoteMalformed
from teetee.quotes.layout import CORE_BYTES
from teetee.quotes.quote import Quote, core_of_argument, rebuild_quote
from tests.teetee.quotes import recorded
from tests.vectors.attestation.generate import rendered

WITHOUT_FINAL_NUL = {recorded.AUTOMATA, recorded.GOOGLE}


@pytest.mark.parametrize("name", recorded.TDX_V4)
def test_rebuild__from_core_and_certificates__gives_the_same_bytes(name: str) -> None:
    raw = recorded.quote(name)
    core = Quote.parse(raw).core
    assert len(core) == CORE_BYTES == 1240
    rebuilt = rebuild_quote(
        core, *Quote.parse(raw).pck_chain_der(), final_nul=name not in WITHOUT_FINAL_NUL
    )
    assert raw[: len(rebuilt)] == rebuilt
    assert not any(raw[len(rebuilt) :])
    assert Quote.parse(raw).encode() == rebuilt


@pytest.mark.parametrize("name", recorded.TDX_V4)
def test_parse__recorded_quote__agrees_with_the_contracts_vectors(name: str) -> None:
    expected = recorded.vectors()["intel"]["quotes"][name]
    raw = recorded.quote(name)
    parsed, leaf = Quote.parse(raw), Quote.parse(raw).pck_chain_der()[0]
    facts = pck_record(*Quote.parse(raw).pck_chain_der(), index=1)
    named = quote_hash(parsed.core, facts)
    assert "0x" + named.hex() == expected["quoteHash"]
    assert "0x" + Quote.parse(raw).report.measurement.hex() == expected["measurement"]
    assert "0x" + certificate_id(leaf).hex() == expected["pckId"]
    assert "0x" + platform_id(leaf).hex() == expected["platformId"]


def test_parse__recorded_quote__reads_the_report() -> None:
    report = Quote.parse(recorded.quote(recorded.NEAR_MPC)).report
    assert report.mr_td.hex().startswith("f06dfda6dce1cf904d4e2bab1dc37063")
    assert report.rtmrs[3].hex().startswith("86f1808cffc050f3c0c09d29da2bfcec")
    # dstack's version 1 of MRCONFIGID: 01, then the hash of the compose document
    assert report.mr_config_id.hex() == (
        "012911e1f733466216dedb862d6d669e11256ee7a34ce4dbc66c4b807ba7a9c895" + "00" * 15
    )
    assert report.td_attributes == bytes.fromhex("0000001000000000")


@pytest.mark.parametrize("name", recorded.TDX_V5)
def test_parse__version_5__gives_the_same_bytes_back(name: str) -> None:
    raw = recorded.quote(name)
    parsed = Quote.parse(raw)
    assert parsed.encode() == raw[: len(parsed.encode())]
    assert len(parsed.core) == 1310
    assert len(parsed.report.mr_service_td) == 48
    rebuilt = rebuild_quote(parsed.core, *Quote.parse(raw).pck_chain_der())
    assert Quote.parse(rebuilt).core == parsed.core


def test_parse__version_5_with_a_body_of_another_length__refused() -> None:
    changed = bytearray(recorded.quote(recorded.OUTDATED_V5))
    struct.pack_into("<I", changed, 50, 584)
    with pytest.raises(QuoteMalformed, match="it has a body of type and size 030048020000"):
        Quote.parse(bytes(changed))


def test_parse__sgx_quote__refused() -> None:
    with pytest.raises(QuoteMalformed, match="it begins with 0300"):
        Quote.parse(recorded.quote("sgx_v3_00a067_phala"))


@given(length=st.integers(0, 4935))
def test_parse__cut_off_anywhere__refused(length: int) -> None:
    with pytest.raises(QuoteMalformed):
        Quote.parse(recorded.quote(recorded.NEAR_MPC)[:length])


def test_parse__followed_by_foreign_bytes__refused() -> None:
    with pytest.raises(QuoteMalformed) as caught:
        Quote.parse(recorded.quote(recorded.NEAR_MPC) + b"\x01")
    assert caught.value.rule == "is followed by bytes that are not zero"


def test_parse__too_long__refused() -> None:
    with pytest.raises(QuoteMalformed, match="more than 16384 bytes"):
        Quote.parse(recorded.quote(recorded.NEAR_MPC).ljust(16385, b"\x00"))


@pytest.mark.parametrize(
    ("offset", "form", "value", "rule"),
    [
        pytest.param(
            764, "<H", 5, "has certification data of type 5 instead of 6", id="outer type"
        ),
        pytest.param(1252, "<H", 3, "has certification data of type 3 instead of 5", id="PPID"),
        pytest.param(
            1218, "<H", 31, "has 31 bytes of QE authentication data", id="short auth data"
        ),
        pytest.param(632, "<I", 4301, "has 1 bytes where none belong", id="too much in it"),
        pytest.param(766, "<I", 4165, "", id="certification cut off"),
    ],
)
def test_parse__a_length_or_type_changed__refused(
    offset: int, form: str, value: int, rule: str
) -> None:
    changed = bytearray(recorded.quote(recorded.NEAR_MPC))
    struct.pack_into(form, changed, offset, value)
    with pytest.raises(QuoteMalformed) as caught:
        Quote.parse(bytes(changed))
    assert rule in caught.value.rule


@given(st.binary(max_size=2000))
def test_parse__any_bytes__refused_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(QuoteMalformed):
        Quote.parse(b"\x04\x00\x02\x00\x81\x00\x00\x00" + raw)


@pytest.mark.parametrize(
    ("size", "rule"),
    [(0, "cut off"), (1239, "1 bytes are missing"), (1241, "1 bytes where none belong")],
)
def test_rebuild__core_of_another_size__refused(size: int, rule: str) -> None:
    raw = recorded.quote(recorded.NEAR_MPC)
    core = (Quote.parse(raw).core + b"\x00")[:size]
    with pytest.raises(QuoteMalformed, match=rule):
        rebuild_quote(core, *Quote.parse(raw).pck_chain_der())


def test_rebuild__core_of_another_kind__refused() -> None:
    chain = Quote.parse(recorded.quote(recorded.NEAR_MPC)).pck_chain_der()
    with pytest.raises(QuoteMalformed, match="it begins with 0000000000000000"):
        rebuild_quote(bytes(1240), *chain)


def test_rebuild__a_certificate_that_is_none__refused() -> None:
    raw = recorded.quote(recorded.NEAR_MPC)
    leaf, authority, root = Quote.parse(raw).pck_chain_der()
    with pytest.raises(CertificateMalformed, match=r"is not X\.509 in DER"):
        rebuild_quote(Quote.parse(raw).core, leaf[:-1], authority, root)


def test_chain_der__not_three_certificates__refused() -> None:
    chain = Quote.parse(recorded.quote(recorded.NEAR_MPC)).pck_chain
    end = b"-----END CERTIFICATE-----\n"
    body = chain.rstrip(b"\x00")
    for wrong in (chain.split(end)[0] + end, body + body, body + b"more"):
        with pytest.raises(CertificateMalformed, match="chain is not 3 certificates"):
            chain_from_pem(wrong)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN CERTIFIICATE-----"),
        (b"MII", b"\x1fMII"),
        (b"MII", b"=MII"),
        (b"\n-----END", b"-----END"),
    ],
)
def test_chain_der__one_is_damaged__refused(old: bytes, new: bytes) -> None:
    chain = Quote.parse(recorded.quote(recorded.NEAR_MPC)).pck_chain
    start = chain.rindex(b"-----BEGIN")
    with pytest.raises(CertificateMalformed, match="is not PEM"):
        chain_from_pem(chain[:start] + chain[start:].replace(old, new))


def test_platform_id__of_an_authority__refused() -> None:
    with pytest.raises(CertificateMalformed, match="is not a PCK certificate"):
        platform_id(recorded.certificate("intel_sgx_pck_platform_ca"))


def test_vectors__made_again__are_the_committed_ones() -> None:
    assert (recorded.VECTORS / "vectors.json").read_text() == rendered()


@pytest.mark.parametrize("name", [*recorded.TDX_V4, *recorded.TDX_V5])
def test_core_of_argument__a_core_with_or_without_its_chain__is_the_core(name: str) -> None:
    quote = Quote.parse(recorded.quote(name))
    assert (
        core_of_argument(quote.core) == core_of_argument(quote.core + quote.pck_chain) == quote.core
    )


@given(st.binary(max_size=1240))
def test_core_of__anything_shorter__is_all_of_it(argument: bytes) -> None:
    assert core_of_argument(argument) == argument


def changed_leaf(old: bytes, new: bytes) -> tuple[bytes, bytes, bytes]:
    leaf, authority, root = Quote.parse(recorded.quote(recorded.NEAR_MPC)).pck_chain_der()
    assert old in leaf
    return leaf.replace(old, new, 1), authority, root


FIRST_SVN = bytes.fromhex("060b2a864886f84d010d010201")
FMSPC = bytes.fromhex("060a2a864886f84d010d0104")


@pytest.mark.parametrize(
    ("old", "new"),
    [(FMSPC + b"\x04\x06", FMSPC + b"\x04\x05"), (FIRST_SVN, FIRST_SVN[:-1] + b"\x7f")],
    ids=["field of another length", "field missing"],
)
def test_pck_record__field_that_no_contract_stores__is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(CertificateMalformed, match="field"):
        pck_record(*changed_leaf(old, new), index=1)
