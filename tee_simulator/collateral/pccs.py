# SPDX-License-Identifier: Apache-2.0
"""A PCCS: serves simulated collateral over HTTP by Intel's PCS API version 4.

Source: Intel PCS API version 4 (tcb, qe/identity, pckcrl with their issuer-chain headers); like a
PCCS, it serves the root CRL as hex. `update=early` and `tcbEvaluationDataNumber=` choose between
the standard and the early set if the conditions define both.

`/simulation/conditions` exists only here: GET returns and PUT replaces the simulated conditions
(conditions.py).
"""

import json
import threading
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qs, quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tee_simulator.collateral import issue as collateral
from tee_simulator.collateral.conditions import Conditions, ConditionsFile
from tee_simulator.collateral.issue import SimulatedCollateral
from tee_simulator.errors import ConditionsInvalid
from tee_simulator.guest.machine import FMSPC
from tee_simulator.http_server import Response
from tee_simulator.pki.certificates import ROOT_CRL_URL
from tee_simulator.pki.simulated_pki import SimulatedPki

SGX, TDX = "/sgx/certification/v4", "/tdx/certification/v4"

CONDITIONS_PATH = "/simulation/conditions"
ROOT_CRL_PATH = urlsplit(ROOT_CRL_URL).path

Query = dict[str, list[str]]


class Pccs:
    """The service. Signs on the first request, and again once half of the validity is over."""

    def __init__(
        self,
        pki: SimulatedPki,
        clock: Callable[[], datetime],
        conditions: ConditionsFile | None = None,
    ) -> None:
        self._pki = pki
        self._clock = clock
        self._lock = threading.Lock()
        self._file = conditions
        self._conditions = conditions.read() if conditions else Conditions()
        self._issued: dict[bool, SimulatedCollateral] = {}
        self._last: dict[bool, datetime] = {}
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
        """Answers a request; 404 for other FMSPCs, other authorities and other paths."""
        address = urlsplit(target)
        if address.path == CONDITIONS_PATH:
            return self._conditions_endpoint(method, body)
        route = self._routes.get(address.path)
        query = parse_qs(address.query)
        early = self._is_early(query)
        if route is None or early is None:
            return _not_found()
        return route(self.current(early=early), query) or _not_found()

    def current(self, *, early: bool = False) -> SimulatedCollateral:
        """Collateral of the standard or the early set that is valid at the clock's time."""
        now = self._clock()
        with self._lock:
            if self._file is not None and (found := self._file.read()) != self._conditions:
                self._set_conditions(found)
            issued = self._issued.get(early)
            # collateral that simulates expiry is expired from the beginning
            is_fresh = issued and (self._conditions.expired or _is_fresh(issued, now))
            if issued is None or not is_fresh:
                issued = self._issue(now, early)
        return issued

    def _issue(self, now: datetime, early: bool) -> SimulatedCollateral:
        before = self._last.get(early)
        if before is not None and before >= now:  # the clock was set back
            before = None
        issued = collateral.issue(self._pki, now, self._conditions, early=early, later_than=before)
        self._issued[early] = issued
        # Simulated expiry does not count: the next issue must be in force.
        if not self._conditions.expired:
            self._last[early] = issued.issued_at
        return issued

    def _set_conditions(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._issued = {}

    def _is_early(self, query: Query) -> bool | None:
        """Which set the query selects; None if there is no such set."""
        early = query.get("update", ["standard"])[0] == "early"
        number = query.get("tcbEvaluationDataNumber", [""])[0]
        if not number:
            return early
        for candidate in (False, True):
            if number == str(self._conditions.number(candidate)):
                return candidate
        return None

    def _conditions_endpoint(self, method: str, body: bytes) -> Response:
        """Returns the conditions; a PUT replaces them first."""
        if method == "PUT":
            try:
                conditions = Conditions.parse(body)
            except ConditionsInvalid as error:
                message = json.dumps({"error": f"SIMULATED: {error}"})
                return Response(HTTPStatus.BAD_REQUEST, message.encode())
            with self._lock:
                if self._file is not None:
                    self._file.write(conditions)
                self._set_conditions(conditions)
        return Response(HTTPStatus.OK, self._conditions.to_json().encode())


def _is_fresh(issued: SimulatedCollateral, now: datetime) -> bool:
    return issued.issued_at <= now <= issued.fresh_until


def _not_found() -> Response:
    return Response(HTTPStatus.NOT_FOUND, b'{"error": "SIMULATED: not found"}')


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
