"""Serves collateral in the shape of Intel's PCS version 4, as a PCCS does, for verifiers which
fetch it themselves.

Source: Intel PCS API version 4 (tcb, qe/identity, pckcrl with their issuer-chain headers), and a
PCCS's habit of serving the root CRL as hex.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qs, quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tee_simulator import collateral
from tee_simulator.certificates import ROOT_CRL_URL
from tee_simulator.collateral import LIFE, SimulatedCollateral
from tee_simulator.http_service import Response
from tee_simulator.machine import FMSPC
from tee_simulator.pki import TestPki

SGX, TDX = "/sgx/certification/v4", "/tdx/certification/v4"

ROOT_CRL_PATH = urlsplit(ROOT_CRL_URL).path

Query = dict[str, list[str]]


class Pccs:
    """The service. Signs at the first question and again once half of the validity is over."""

    def __init__(self, pki: TestPki, clock: Callable[[], datetime]) -> None:
        self._pki = pki
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: SimulatedCollateral | None = None
        self._routes: dict[str, Callable[[SimulatedCollateral, Query], Response | None]] = {
            f"{TDX}/tcb": _tcb,
            f"{TDX}/qe/identity": lambda current, _: _signed(
                current.qe_identity_response, "SGX-Enclave-Identity-Issuer-Chain", current
            ),
            f"{SGX}/pckcrl": _pck_crl,
            f"{SGX}/rootcacrl": lambda current, _: Response(
                HTTPStatus.OK, current.root_ca_crl.hex().encode(), "text/plain"
            ),
            ROOT_CRL_PATH: lambda current, _: _crl(current.root_ca_crl),
        }

    def respond(self, method: str, target: str, body: bytes) -> Response:
        """404 for whatever is not ours: other FMSPCs, other authorities, other paths."""
        address = urlsplit(target)
        route = self._routes.get(address.path)
        answer = route(self.current(), parse_qs(address.query)) if route else None
        return answer or Response(
            HTTPStatus.NOT_FOUND, b'{"error": "SIMULATED: nothing is published here"}'
        )

    def current(self) -> SimulatedCollateral:
        """Collateral that is valid at the clock's time."""
        now = self._clock()
        with self._lock:
            issued = self._issued
            if (
                issued is None
                or not issued.next_update - LIFE <= now <= issued.next_update - LIFE / 2
            ):
                issued = self._issued = collateral.issue(self._pki, now)
        return issued


def _tcb(current: SimulatedCollateral, query: Query) -> Response | None:
    if query.get("fmspc", [""])[0].upper() != FMSPC.hex().upper():
        return None
    return _signed(current.tcb_info_response, "TCB-Info-Issuer-Chain", current)


def _pck_crl(current: SimulatedCollateral, query: Query) -> Response | None:
    if query.get("ca", [""])[0] != "platform":
        return None
    chain = {"SGX-PCK-CRL-Issuer-Chain": quote(current.pck_crl_issuer_chain, safe="")}
    if query.get("encoding", ["pem"])[0] == "der":
        return _crl(current.pck_crl, chain)
    return Response(HTTPStatus.OK, _pem(current.pck_crl), "application/x-pem-file", chain)


def _signed(body: str, header: str, current: SimulatedCollateral) -> Response:
    chain = {header: quote(current.tcb_signing_chain, safe="")}
    return Response(HTTPStatus.OK, body.encode(), headers=chain)


def _crl(der: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(HTTPStatus.OK, der, "application/pkix-crl", headers or {})


def _pem(crl: bytes) -> bytes:
    return x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM)
