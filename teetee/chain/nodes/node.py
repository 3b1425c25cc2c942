# SPDX-License-Identifier: Apache-2.0
"""One JSON-RPC node. Its answers are trusted neither to be short, nor shallow JSON, nor to fit the
method; before its first answer it must serve the right chain.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from teetee.chain.errors import InsecureNode
from teetee.chain.nodes.bounded_http import AnswerTooLong, BoundedHttp, HttpAnswer
from teetee.chain.nodes.node_failures import (
    FailureKind,
    NodeFailure,
    failure_of_exception,
    failure_of_response,
    failure_of_status,
)
from teetee.chain.nodes.rpc_results import AnswerMalformed, require_answer
from teetee.chain.urls import public_url
from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.json.shallow import NotJson

CHAIN_ID: Final = "eth_chainId"
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "teetee"}
_SUCCESSES: Final = range(200, 300)

Response = Mapping[str, Any]
"""A JSON-RPC response: a result, or an error of the node."""


class Node:
    """One URL. Thread-safe."""

    def __init__(self, url: str, *, chain_id: int, timeout_seconds: float) -> None:
        """`timeout_seconds` bounds a whole call. Raises `InsecureNode`."""
        self.name = public_url(url)
        """The URL without keys."""
        if not _is_private(url):
            raise InsecureNode(self.name)
        self._url = url
        self._chain_id = chain_id
        self._timeout_seconds = timeout_seconds
        self._http = BoundedHttp()
        self._ids = itertools.count(1)
        self.has_served = False
        """Whether it has said that it serves the chain."""

    def ask(self, method: str, parameters: Any) -> Response | NodeFailure:
        """Its answer, also a JSON-RPC error; or why there is none."""
        return self.check_chain() or self._ask(method, parameters)

    def check_chain(self) -> NodeFailure | None:
        """Asks for the chain id, once. None: it serves the chain."""
        if self.has_served:
            return None
        response = self._ask(CHAIN_ID, [])
        if isinstance(response, NodeFailure):
            return response
        try:
            actual = int(str(response["result"]), 16)
        except (KeyError, ValueError):
            return NodeFailure("it does not say which chain it serves", FailureKind.LOST)
        if actual != self._chain_id:
            reason = f"it serves chain {actual} instead of chain {self._chain_id}"
            return NodeFailure(reason, FailureKind.WRONG_CHAIN, chain_id=actual)
        self.has_served = True
        return None

    def _ask(self, method: str, parameters: Any) -> Response | NodeFailure:
        call = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": next(self._ids)}
        body = json.dumps(call, default=_as_hex).encode()
        try:
            answer = self._http.post(self._url, body, _HEADERS, seconds=self._timeout_seconds)
            response = _decode(method, answer)
        except requests.RequestException as error:
            return failure_of_exception(error)
        except (NotJson, AnswerMalformed, AnswerTooLong) as error:  # perhaps a captive portal
            return NodeFailure(f"the answer {error}", FailureKind.OTHER)
        if isinstance(response, NodeFailure):
            return response
        return failure_of_response(method, parameters, response) or response


def _decode(method: str, answer: HttpAnswer) -> Response | NodeFailure:
    """Raises `NotJson`, `AnswerMalformed`."""
    if answer.status in _SUCCESSES:
        response: Any = shallow_json.load(answer.content)
        require_answer(method, response)
        found: Response = response
        return found
    refusal = _json_rpc_error(answer)
    return refusal or failure_of_status(answer.status, answer.headers.get("Retry-After"))


def _json_rpc_error(answer: HttpAnswer) -> Response | None:
    """The JSON-RPC error in the body of an HTTP error: some providers refuse a call with status
    400, or report their rate limit with status 403.
    """
    if not 400 <= answer.status < 500 or answer.status == 429:
        return None
    try:
        body = shallow_json.load(answer.content)
    except NotJson:
        return None
    is_refusal = isinstance(body, dict) and isinstance(body.get("error"), dict)
    found: Response | None = body if is_refusal else None
    return found


def _is_private(url: str) -> bool:
    """Whether no one on the way can change answers: TLS, or this machine. Other schemes fail by
    themselves.
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
    except ValueError:
        return True
    if parts.scheme.lower() != "http" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _as_hex(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return "0x" + value.hex()
    raise TypeError(type(value).__name__)
