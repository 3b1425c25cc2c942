# SPDX-License-Identifier: Apache-2.0
"""A PCCS without a network, with collateral that Intel published in 2026-08."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from requests.adapters import BaseAdapter

from teetee.chain.contracts.collateral import PlatformKind
from teetee.collateral.pccs import PccsReader
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
    """Answers requests without a network; from a list, one answer a request."""

    def __init__(self, answers: Mapping[str, Answer | list[Answer]]) -> None:
        super().__init__()
        self.answers = dict(answers)
        self.asked: list[tuple[str, dict[str, list[str]]]] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        address = urlsplit(str(request.url))
        place = address.path if address.netloc == "pccs.example" else address.netloc + address.path
        self.asked.append((place, parse_qs(address.query)))
        response = requests.Response()
        answer = self.answers.get(place, (404, b"", {}))
        if isinstance(answer, list):
            answer = answer.pop(0)
        response.status_code, content, headers = answer
        response.url, response.request = str(request.url), request
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


def no_pause(seconds: float) -> None:
    raise AssertionError(f"paused for {seconds} s")


def reader_of(
    answers: Mapping[str, Answer | list[Answer]],
    wait: Callable[[float], None] = no_pause,
) -> tuple[PccsReader, Service]:
    service, session = Service(answers), requests.Session()
    session.mount("https://", service)
    return PccsReader("https://pccs.example/sgx/certification/v4/", session, wait), service
