# SPDX-License-Identifier: Apache-2.0
"""What a PCCS answers when something is wrong, and addresses that are none.

given a service that is busy and says when to come back, in seconds or as a date
    when it is asked
        it should wait that long, at most a minute, and ask once more
given a status code of Intel's PCS or PCCS
    when it is the answer
        it should be named with its meaning, and stay retryable
given a page, an empty or doubled issuer chain, or collateral of another kind
    when it is the answer
        it should be refused, and what it is named
given an address without scheme, or with a typo
    when a reader is made
        it should be refused at once, as it was written but for what may be secret
"""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest
import requests

from teetee.chain.urls import is_web_address, public_url
from teetee.collateral.pccs import PccsReader
from teetee.collateral.pccs_connection import MAX_WAIT_SECONDS
from teetee.quotes.errors import CollateralInvalid, CollateralUnavailable, PccsAddressInvalid
from tests.teetee.collateral.pccs_service import (
    AUTHORITY,
    KIND,
    PCK_CRL,
    QE_IDENTITY,
    ROOT,
    SIGNER,
    TCB_INFO,
    Answer,
    chain,
    intels,
    pem,
    reader_of,
)
from tests.teetee.quotes.recorded import VECTORS

TCB = "/tdx/certification/v4/tcb"
GOOD = intels()[TCB]
AT = 1_790_000_000


def date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


def busy(retry_after: str, status: int = 429, **headers: str) -> Answer:
    return (status, b"", {"Retry-After": retry_after, **headers})


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (busy("7"), 7),
        (busy(" 7 "), 7),
        (busy("0"), 0),
        (busy("1.5"), 1.5),
        (busy(str(int(MAX_WAIT_SECONDS))), MAX_WAIT_SECONDS),
        (busy("3", 503), 3),
        (busy(date(AT + 9), Date=date(AT)), 9),
        (busy(date(AT - 9), Date=date(AT)), 0),
        (busy(date(AT)), 0),
    ],
    ids=["seconds", "blanks", "at once", "fraction", "a minute", "503", "date", "past", "no Date"],
)
def test_reader__service_is_busy__waits_as_asked_and_asks_once_more(
    answer: Answer, seconds: float
) -> None:
    paused: list[float] = []
    reader, service = reader_of({TCB: [answer, GOOD]}, paused.append)
    assert reader.tcb_info(KIND).number == 20
    assert paused == [seconds]
    assert len(service.asked) == 2


def test_reader__still_busy_after_the_pause__is_unavailable() -> None:
    paused: list[float] = []
    reader, service = reader_of({TCB: [busy("1"), busy("2"), GOOD]}, paused.append)
    with pytest.raises(CollateralUnavailable, match=r"HTTP 429, too many requests; .* of 2 s"):
        reader.tcb_info(KIND)
    assert (paused, len(service.asked)) == ([1], 2)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (busy("3600"), r"HTTP 429, too many requests; it asks for a pause of 3600 s"),
        (busy(date(AT + 9_999), Date=date(AT)), "of 9999 s"),
        (busy("soon"), r"HTTP 429, too many requests\. Try again"),
        (busy("-5"), r"HTTP 429, too many requests\. Try again"),
        (busy("9" * 400), r"HTTP 429, too many requests\. Try again"),
        (busy(""), r"HTTP 429, too many requests\. Try again"),
        ((429, b"", {}), r"HTTP 429, too many requests\. Try again"),
        (busy("1", 500), r"HTTP 500, it failed\. Try again"),
    ],
    ids=["an hour", "a far date", "words", "negative", "huge", "empty", "no header", "500"],
)
def test_reader__pause_too_long_or_unclear__does_not_wait(answer: Answer, reason: str) -> None:
    reader, service = reader_of({TCB: answer})
    with pytest.raises(CollateralUnavailable, match=reason):
        reader.tcb_info(KIND)
    assert len(service.asked) == 1


# 404, 460 to 462, 502 and 503 mean what pccs_status_code.js of Intel's
# SGXDataCenterAttestationPrimitives says; 401 and 410 are of Intel's PCS.
MEANINGS = {
    301: "it redirects without naming a place",
    400: "it does not understand the request",
    401: "it requires credentials",
    403: "it refuses access",
    404: "it has no collateral for this kind of platform, or is no PCCS",
    410: "it no longer has collateral with this evaluation number",
    460: "the data that it stores is damaged",
    461: "it does not know this platform",
    462: "it has no certificates for this platform's firmware",
    500: "it failed",
    502: "it cannot reach Intel's service",
    503: "it is overloaded or under maintenance",
    504: "Intel's service does not answer it in time",
}


@pytest.mark.parametrize(("status", "meaning"), MEANINGS.items())
def test_reader__status_of_a_pccs__is_named_with_its_meaning(status: int, meaning: str) -> None:
    reader, _ = reader_of({TCB: (status, b"<html>", {})})
    with pytest.raises(CollateralUnavailable, match=f"HTTP {status}, {meaning}") as failed:
        reader.tcb_info(KIND)
    assert failed.value.status == status


@pytest.mark.parametrize("status", [204, 418, 463, 599])
def test_reader__other_status__is_named(status: int) -> None:
    reader, _ = reader_of({TCB: (status, TCB_INFO, {})})
    with pytest.raises(CollateralUnavailable, match=rf"HTTP {status}\. Try again"):
        reader.tcb_info(KIND)


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html>", b"\n <html>", b"\xef\xbb\xbf<html>", b"<?xml?>"]
)
def test_reader__web_page__is_no_pccs(page: bytes) -> None:
    reader, _ = reader_of({TCB: (200, page, {"Content-Type": "text/html"})})
    with pytest.raises(CollateralUnavailable, match="it answers with a web page"):
        reader.tcb_info(KIND)


@pytest.mark.parametrize(
    ("place", "reason"),
    [("https://pccs.example" + TCB, "in a circle"), ("file:///x", "not http:// or https://")],
    ids=["circle", "another scheme"],
)
def test_reader__redirect_to_nowhere__says_so(place: str, reason: str) -> None:
    reader, _ = reader_of({TCB: (302, b"", {"Location": place})})
    with pytest.raises(CollateralUnavailable, match=reason):
        reader.tcb_info(KIND)


def test_reader__redirect_to_another_place__is_followed() -> None:
    reader, service = reader_of(
        {TCB: (307, b"", {"Location": "https://pccs.example/moved"}), "/moved": GOOD}
    )
    assert reader.tcb_info(KIND).number == 20
    assert [place for place, _ in service.asked] == [TCB, "/moved"]


PLUS = pem(SIGNER, ROOT).replace("+", "%2B").replace("\n", "%0A").replace(" ", "+")


@pytest.mark.parametrize(
    "headers",
    [
        chain("TCB-Info-Issuer-Chain", SIGNER, ROOT),
        chain("SGX-TCB-Info-Issuer-Chain", SIGNER, ROOT),
        chain("sgx-tcb-info-issuer-chain", SIGNER, ROOT),
        {"TCB-Info-Issuer-Chain": "", **chain("SGX-TCB-Info-Issuer-Chain", SIGNER, ROOT)},
        {"SGX-TCB-Info-Issuer-Chain": " ", **chain("TCB-Info-Issuer-Chain", SIGNER, ROOT)},
        {"TCB-Info-Issuer-Chain": PLUS},
    ],
    ids=["plain", "SGX", "small letters", "empty beside SGX", "SGX empty", "plus for space"],
)
def test_reader__issuer_chain_in_any_header__is_read(headers: dict[str, str]) -> None:
    reader, _ = reader_of({TCB: (200, TCB_INFO, headers)})
    assert reader.tcb_info(KIND).signer == SIGNER


def test_reader__other_chains_without_sgx__are_read() -> None:
    identity = chain("Enclave-Identity-Issuer-Chain", SIGNER, ROOT)
    crl = chain("PCK-CRL-Issuer-Chain", AUTHORITY, ROOT)
    reader, _ = reader_of(
        {
            "/tdx/certification/v4/qe/identity": (200, QE_IDENTITY, identity),
            "/sgx/certification/v4/pckcrl": (200, PCK_CRL, crl),
        }
    )
    assert reader.pck_crl().issuer == AUTHORITY
    assert reader.qe_identity().signer == SIGNER


@pytest.mark.parametrize(
    "headers",
    [
        {"TCB-Info-Issuer-Chain": ""},
        {"SGX-TCB-Info-Issuer-Chain": " ", "TCB-Info-Issuer-Chain": ""},
    ],
)
def test_reader__issuer_chain_is_empty__says_so(headers: dict[str, str]) -> None:
    reader, _ = reader_of({TCB: (200, TCB_INFO, headers)})
    with pytest.raises(CollateralInvalid, match="comes with an empty TCB-Info-Issuer-Chain"):
        reader.tcb_info(KIND)


def changed(field: str, value: object) -> bytes:
    content = json.loads(TCB_INFO)
    content["tcbInfo"][field] = value
    return json.dumps(content).encode()


SGX_INFO = (VECTORS / "collateral" / "sgx_00606a000000_2025-08" / "tcb_info.json").read_bytes()
NOT_INTELS = "has a tcbInfo that is not Intel's signed JSON"
OTHER = {
    "of SGX": (SGX_INFO, "has a tcbInfo of 'SGX' instead of 'TDX'"),
    "another platform": (changed("fmspc", "00806F050000"), "TCB info for 00806F050000 instead of"),
    "no id": (changed("id", None), "of 'None' instead of 'TDX'"),
    "QE identity": (QE_IDENTITY, NOT_INTELS),
    "null": (b"null", NOT_INTELS),
    "a list": (b"[]", NOT_INTELS),
    "an empty object": (b"{}", NOT_INTELS),
    "nothing": (b"", NOT_INTELS),
    "nested objects": (b'{"a":' * 40_000, NOT_INTELS),
    "nested lists": (b"[" * 200_000, NOT_INTELS),
    "nested in its member": (b'{"tcbInfo":' + b"[" * 200_000, NOT_INTELS),
}


@pytest.mark.parametrize("name", OTHER)
def test_reader__other_content__is_refused_by_name(name: str) -> None:
    content, rule = OTHER[name]
    reader, _ = reader_of({TCB: (200, content, dict(GOOD[2]))})
    with pytest.raises(CollateralInvalid, match=rule):
        reader.tcb_info(KIND)


def test_reader__number_is_ignored_by_the_service__is_refused() -> None:
    reader, _ = reader_of(intels())
    with pytest.raises(CollateralInvalid, match="evaluation number 20 instead of 18"):
        reader.tcb_info(KIND, 18)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("pccs.example", "'pccs.example'"),
        ("pccs.example:8081/sgx/certification/v4/", "'pccs.example:8081'"),
        ("htps://pccs.example/v4", "'htps://pccs.example'"),
        ("https:/pccs.example/v4", "'https:/pccs.example'"),
        ("https//pccs.example", "'https//pccs.example'"),
        ("https:///pccs.example", "'https:///pccs.example'"),
        ("https://", "'https://'"),
        ("https://pccs.example:port", "'https://pccs.example:port'"),
        ("https://pccs.example:99999", "'https://pccs.example:99999'"),
        ("https://pccs example", "'https://pccs example'"),
        ("ftp://pccs.example", "'ftp://pccs.example'"),
        ("/run/pccs", "''"),
        ("", "''"),
    ],
)
def test_reader__no_address_of_a_service__is_shown_as_it_was_written(url: str, shown: str) -> None:
    with pytest.raises(PccsAddressInvalid) as refused:
        PccsReader(url)
    assert str(refused.value).startswith(f"{shown} is not the address of a PCCS: it must begin")


def test_reader__address_with_secrets_and_a_typo__does_not_show_them() -> None:
    with pytest.raises(PccsAddressInvalid) as refused:
        PccsReader("htps://user:secret@pccs.example/key?token=key")
    assert "secret" not in str(refused.value)
    assert "key" not in str(refused.value)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.exceptions.SSLError("https://secret"), "its TLS certificate is not trusted here"),
        (requests.exceptions.ProxyError("https://secret"), "no connection through the proxy"),
        (requests.exceptions.ReadTimeout("https://secret"), "no answer in time"),
        (requests.exceptions.ChunkedEncodingError("https://secret"), "ChunkedEncodingError"),
    ],
)
def test_reader__no_answer__says_why_and_no_secret(error: Exception, reason: str) -> None:
    class Failing(requests.Session):
        def get(self, *_: object, **__: object) -> requests.Response:
            raise error

    reader = PccsReader("https://pccs.example", Failing())
    with pytest.raises(CollateralUnavailable) as failed:
        reader.tcb_info(KIND)
    assert failed.value.reason == reason
    assert "secret" not in str(failed.value)


def test_reader__host_that_does_not_exist__says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    reader = PccsReader("https://pccs.invalid")
    with pytest.raises(CollateralUnavailable, match=r"https://pccs\.invalid: no such host"):
        reader.tcb_info(KIND)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@base.example:8545/v2/key", "https://base.example:8545"),
        ("HTTPS://Base.Example?key=1", "HTTPS://Base.Example"),
        ("http://[::1]:8545/key", "http://[::1]:8545"),
    ],
)
def test_public_url__with_secrets__keeps_scheme_host_and_port(url: str, shown: str) -> None:
    assert public_url(url) == shown
    assert is_web_address(url)
