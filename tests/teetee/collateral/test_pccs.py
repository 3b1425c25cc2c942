# SPDX-License-Identifier: Apache-2.0
"""Both variants of API version 4, with collateral that Intel published in 2026-08.

given Intel's PCS: CRLs in DER, no rootcacrl, chains percent-encoded in headers
    it should read everything, the root CRL from the address in the root certificate
given a PCCS such as Phala's: CRLs in hexadecimal or PEM, rootcacrl, headers in lower case, one by
an older name
    it should read the same
given an answer that is cut off, too long, not collateral, or without its issuer chain
    the error should name the broken rule, and of the address only the host
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from teetee.collateral.pccs_connection import MAX_RESPONSE_BYTES
from teetee.quotes.errors import CollateralInvalid, CollateralUnavailable
from tests.teetee.collateral.pccs_service import (
    AUTHORITY,
    KIND,
    PCK_CRL,
    ROOT,
    ROOT_CRL,
    SIGNER,
    TCB_INFO,
    Answer,
    chain,
    intels,
    phalas,
    reader_of,
)


@pytest.mark.parametrize("shape", [intels, phalas], ids=["Intel's PCS", "a PCCS"])
def test_reader__either_shape__reads_what_intel_signed(
    shape: Callable[[], dict[str, Answer]],
) -> None:
    reader, service = reader_of(shape())
    info, identity, crl = reader.tcb_info(KIND), reader.qe_identity(), reader.pck_crl()
    assert (info.number, info.kind, identity.number) == (20, KIND, 19)
    assert info.signed.text.encode() in TCB_INFO
    assert info.signed.signature.hex() == json.loads(TCB_INFO)["signature"]
    assert (info.signer, info.root, identity.signer) == (SIGNER, ROOT, SIGNER)
    assert (crl.der, crl.issuer, crl.root) == (PCK_CRL, AUTHORITY, ROOT)
    assert reader.root_crl(crl.root).der == ROOT_CRL
    assert reader.name == "https://pccs.example"
    assert ("/tdx/certification/v4/tcb", {"fmspc": ["B0C06F000000"]}) in service.asked


def test_reader__number_is_named__asks_for_that_set() -> None:
    reader, service = reader_of(intels())
    reader.tcb_info(KIND, 20)
    reader.qe_identity(19)
    assert [query["tcbEvaluationDataNumber"] for _, query in service.asked] == [["20"], ["19"]]


def test_reader__nothing_for_that_platform__is_to_be_tried_again() -> None:
    reader, _ = reader_of({})
    with pytest.raises(CollateralUnavailable) as missing:
        reader.tcb_info(KIND)
    assert (missing.value.url, missing.value.status) == ("https://pccs.example", 404)
    assert missing.value.reason.startswith("HTTP 404, it has no collateral for this kind of")


WRONG: dict[str, tuple[str, Answer, str]] = {
    "no issuer": ("/tdx/certification/v4/tcb", (200, TCB_INFO, {}), "comes without"),
    "one certificate": (
        "/tdx/certification/v4/tcb",
        (200, TCB_INFO, chain("TCB-Info-Issuer-Chain", SIGNER)),
        "1 certificates in TCB-Info-Issuer-Chain",
    ),
    "garbled certificates": (
        "/tdx/certification/v4/tcb",
        (200, TCB_INFO, {"TCB-Info-Issuer-Chain": "-----BEGIN CERTIFICATE-----"}),
        "TCB-Info-Issuer-Chain",
    ),
    "cut off": (
        "/tdx/certification/v4/tcb",
        (200, TCB_INFO[:900], chain("TCB-Info-Issuer-Chain", SIGNER, ROOT)),
        "",
    ),
    "not text": (
        "/tdx/certification/v4/tcb",
        (200, b"\xff\xfe", chain("TCB-Info-Issuer-Chain", SIGNER, ROOT)),
        "not text",
    ),
    "too long": (
        "/tdx/certification/v4/tcb",
        (200, bytes(MAX_RESPONSE_BYTES + 1), chain("TCB-Info-Issuer-Chain", SIGNER, ROOT)),
        f"more than {MAX_RESPONSE_BYTES} bytes",
    ),
}


@pytest.mark.parametrize(("place", "answer", "rule"), WRONG.values(), ids=WRONG)
def test_reader__answer_is_not_collateral__says_which_rule(
    place: str, answer: Answer, rule: str
) -> None:
    reader, _ = reader_of(intels() | {place: answer})
    with pytest.raises(CollateralInvalid) as invalid:
        reader.tcb_info(KIND)
    assert rule in str(invalid.value)
    assert place not in str(invalid.value)


@pytest.mark.parametrize("garbled", [b"", b"30820b", PCK_CRL[:-1], b"-----BEGIN X509 CRL-----"])
def test_reader__crl_is_none__says_so(garbled: bytes) -> None:
    issuers = chain("SGX-PCK-CRL-Issuer-Chain", AUTHORITY, ROOT)
    reader, _ = reader_of(intels() | {"/sgx/certification/v4/pckcrl": (200, garbled, issuers)})
    with pytest.raises(CollateralInvalid, match="has a malformed CRL"):
        reader.pck_crl()
