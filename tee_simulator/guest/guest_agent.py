# SPDX-License-Identifier: Apache-2.0
"""dstack's guest-agent API: JSON over HTTP on a unix socket, bytes as hex without 0x.

Source: dstack guest-agent/rpc/proto/agent_rpc.proto and the requests of dstack-sdk 0.5.4. Two calls
are rejected with an explanation: `/Attest`, whose versioned format is dstack's own, and
`/EmitEvent`, which upstream removed. A rejection is HTTP 400 with {"error": …}, as in dstack.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from tee_simulator.errors import CallInvalid
from tee_simulator.guest import app_keys
from tee_simulator.guest.enclave import SimulatedEnclave
from tee_simulator.http_server import Response
from tee_simulator.notice import SIMULATED
from tee_simulator.pki.tls_certificates import TlsRequest

Arguments = Mapping[str, Any]
Answer = dict[str, Any]

VERSION = "0.5.8-simulated"


class GuestAgent:
    """Answers calls by name."""

    def __init__(self, enclave: SimulatedEnclave) -> None:
        self._enclave = enclave
        self._calls: dict[str, Callable[[Arguments], Answer]] = {
            "GetKey": self._get_key,
            "GetQuote": self._get_quote,
            "GetTlsKey": self._get_tls_key,
            "Info": lambda _: self._enclave.info(),
            "Sign": self._sign,
            "Verify": self._verify,
            "Version": lambda _: {"version": VERSION, "rev": SIMULATED},
            "Attest": _rejected("Attest is not simulated: use GetQuote"),
            "EmitEvent": _rejected("EmitEvent is not simulated: dstack removed it"),
        }

    def respond(self, method: str, target: str, body: bytes) -> Response:
        """Answers a request. Like dstack, ignores the method and the prefix `/prpc`."""
        name = target.split("?")[0].rsplit("/", 1)[-1]
        status, answer = self._answer(name, body)
        return Response(status, json.dumps(answer).encode())

    def _answer(self, name: str, body: bytes) -> tuple[HTTPStatus, Answer]:
        call = self._calls.get(name)
        if call is None:
            return HTTPStatus.NOT_FOUND, {"error": f"Service not found: {name}"}
        try:
            return HTTPStatus.OK, call(_arguments(body))
        except CallInvalid as error:
            return HTTPStatus.BAD_REQUEST, {"error": str(error)}

    def _get_key(self, arguments: Arguments) -> Answer:
        algorithm = app_keys.canonical_algorithm(_text(arguments, "algorithm"))
        key = self._enclave.get_key(_text(arguments, "path"))
        chain = self._enclave.app_keys.chain(key, _text(arguments, "purpose"), algorithm)
        return {"key": key.hex(), "signature_chain": [link.hex() for link in chain]}

    def _get_quote(self, arguments: Arguments) -> Answer:
        report_data = _hex(arguments, "report_data")
        if len(report_data) > 64:
            raise CallInvalid("Report data is too long")
        padded = report_data.ljust(64, b"\x00")
        return {
            "quote": self._enclave.get_quote(padded).hex(),
            "event_log": self._enclave.measurements.event_log,
            "report_data": padded.hex(),
            "vm_config": self._enclave.vm_config,
        }

    def _get_tls_key(self, arguments: Arguments) -> Answer:
        if _flag(arguments, "usage_ra_tls") or _flag(arguments, "with_app_info"):
            raise CallInvalid("RA-TLS certificates are not simulated: ask for GetQuote")
        request = TlsRequest(
            subject=_text(arguments, "subject"),
            alt_names=_texts(arguments, "alt_names"),
            server=_flag(arguments, "usage_server_auth"),
            client=_flag(arguments, "usage_client_auth"),
            not_before=_seconds(arguments, "not_before"),
            not_after=_seconds(arguments, "not_after"),
        )
        key, chain = self._enclave.get_tls_key(request)
        return {"key": key, "certificate_chain": chain}

    def _sign(self, arguments: Arguments) -> Answer:
        algorithm = app_keys.canonical_algorithm(_text(arguments, "algorithm"))
        signature, chain, public = self._enclave.app_keys.sign(_hex(arguments, "data"), algorithm)
        return {
            "signature": signature.hex(),
            "signature_chain": [link.hex() for link in chain],
            "public_key": public.hex(),
        }

    def _verify(self, arguments: Arguments) -> Answer:
        valid = app_keys.verify(
            _hex(arguments, "data"),
            _hex(arguments, "signature"),
            _hex(arguments, "public_key"),
            app_keys.canonical_algorithm(_text(arguments, "algorithm")),
        )
        return {"valid": valid}


def _rejected(reason: str) -> Callable[[Arguments], Answer]:
    def reject(_: Arguments) -> Answer:
        raise CallInvalid(reason)

    return reject


def _arguments(body: bytes) -> Arguments:
    try:
        arguments = json.loads(body or b"{}")
    except ValueError as error:
        raise CallInvalid("the body must be JSON") from error
    if not isinstance(arguments, dict):
        raise CallInvalid("the body must be a JSON object")
    return arguments


def _text(arguments: Arguments, field: str) -> str:
    value = arguments.get(field, "")
    if not isinstance(value, str):
        raise CallInvalid(f"{field} must be a string")
    return value


def _texts(arguments: Arguments, field: str) -> tuple[str, ...]:
    values = arguments.get(field, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise CallInvalid(f"{field} must be a list of strings")
    return tuple(values)


def _hex(arguments: Arguments, field: str) -> bytes:
    try:
        return bytes.fromhex(_text(arguments, field))
    except ValueError as error:
        raise CallInvalid(f"{field} must be hex") from error


def _flag(arguments: Arguments, field: str) -> bool:
    value = arguments.get(field, False)
    if not isinstance(value, bool):
        raise CallInvalid(f"{field} must be true or false")
    return value


def _seconds(arguments: Arguments, field: str) -> int | None:
    value = arguments.get(field)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise CallInvalid(f"{field} must be a number of seconds")
    return value
