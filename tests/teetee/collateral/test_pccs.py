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
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from requests.adapters import BaseAdapter

from teetee.chain.contracts.collateral import PlatformKind
from teetee.collateral.pccs import MAX_RESPONSE_BYTES, PccsReader
from teetee.quotes.errors import CollateralInvalid, CollateralUnavailable
from teetee.quotes.quote import Quote
from tests.teetee.quotes.recorded import VECTORS

KIND = PlatformKind(bytes.fromhex("b0c06f000000"), bytes(2))
SET = VECTORS / "collateral" / "tdx_b0c06f_2026-08"
QUOTE = (VECTORS / "quotes" / "tdx_v4_b0c06f_near_mpc.bin").read_bytes()
_, AUTHORITY, ROOT = Quote.parse(QUOTE).pck_chain_der()
SIGNER = (VECTORS / "certs" / "intel_sgx_tcb_signing_2025.der").read_bytes()
TCB_INFO, QE_IDENTITY = (
    (SET / name).read_bytes() for name in ("tcb_info.json", "qe_identity.json")
)
PCK_CRL, ROOT_CRL = ((SET / name).read_bytes() for name in ("pck_crl.der", "root_ca_crl.der"))
INTELS_ROOT_CRL = "certificates.trustedservices.intel.com/IntelSGXRootCA.der"

Answer = tuple[int, bytes, Mapping[str, str]]


class Service(BaseAdapter):
    """Answers requests without a network."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        super().__init__()
        self.answers = dict(answers)
        self.asked: list[tuple[str, dict[str, list[str]]]] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        address = urlsplit(str(request.url))
        place = address.path if address.netloc == "pccs.example" else address.netloc + address.path
        self.asked.append((place, parse_qs(address.query)))
        response = requests.Response()
        response.status_code, content, headers = self.answers.get(place, (404, b"", {}))
        response.raw = BytesIO(content)
        response.headers.update(headers)
        return response

    def close(self) -> None:
        pass


def pem(*certificates: bytes) -> str:
    loaded = (x509.load_der_x509_certificate(der) for der in certificates)
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in loaded)


def chain(name: str, *certificates: bytes) -> dict[str, str]:
    return {name: quote(pem(*certificates), safe="")}


def intels() -> dict[str, Answer]:
    return {
        "/tdx/certification/v4/tcb": (200, TCB_INFO, chain("TCB-Info-Issuer-Chain", SIGNER, ROOT)),
        "/tdx/certification/v4/qe/identity": (
            200,
            QE_IDENTITY,
            chain("SGX-Enclave-Identity-Issuer-Chain", SIGNER, ROOT),
        ),
        "/sgx/certification/v4/pckcrl": (
            200,
            PCK_CRL,
            chain("SGX-PCK-CRL-Issuer-Chain", AUTHORITY, ROOT),
        ),
        INTELS_ROOT_CRL: (200, ROOT_CRL, {}),
    }


def phalas() -> dict[str, Answer]:
    crl = x509.load_der_x509_crl(PCK_CRL).public_bytes(Encoding.PEM)
    return {
        "/tdx/certification/v4/tcb": (
            200,
            TCB_INFO,
            chain("sgx-tcb-info-issuer-chain", SIGNER, ROOT),
        ),
        "/tdx/certification/v4/qe/identity": (
            200,
            QE_IDENTITY,
            chain("sgx-enclave-identity-issuer-chain", SIGNER, ROOT),
        ),
        "/sgx/certification/v4/pckcrl": (
            200,
            crl,
            chain("sgx-pck-crl-issuer-chain", AUTHORITY, ROOT),
        ),
        "/sgx/certification/v4/rootcacrl": (200, ROOT_CRL.hex().upper().encode() + b"\n", {}),
    }


def reader_of(answers: Mapping[str, Answer]) -> tuple[PccsReader, Service]:
    service, session = Service(answers), requests.Session()
    session.mount("https://", service)
    return PccsReader("https://pccs.example/sgx/certification/v4/", session), service


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
    reader.qe_identity(20)
    assert [query["tcbEvaluationDataNumber"] for _, query in service.asked] == [["20"], ["20"]]


def test_reader__nothing_for_that_platform__is_to_be_tried_again() -> None:
    reader, _ = reader_of({})
    with pytest.raises(CollateralUnavailable) as missing:
        reader.tcb_info(KIND)
    assert (missing.value.url, missing.value.reason) == ("https://pccs.example", "HTTP 404")


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
