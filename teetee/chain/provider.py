# SPDX-License-Identifier: Apache-2.0
"""A web3 provider over several nodes: uses the first that answers, the others are standbys."""

import threading
from collections.abc import Sequence
from typing import Any, cast

import requests
from eth_typing import URI
from web3 import HTTPProvider
from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from teetee.chain.errors import RpcUnavailable, WrongChain
from teetee.chain.rpc_results import AnswerMalformed, require_answer
from teetee.chain.urls import public_url
from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.json.shallow import NotJson

_BUSY = frozenset({-32005, 429})
_BUSY_WORDS = ("rate limit", "too many requests", "capacity", "compute units")


class _Node(HTTPProvider):
    """One node. Its answers are not trusted to be shallow JSON, nor to fit the method."""

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> RPCResponse:
        """Raises `NotJson`."""
        return cast(RPCResponse, shallow_json.load(raw_response))

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Raises `NotJson`, `AnswerMalformed` and what requests raises."""
        response = super().make_request(method, params)
        require_answer(method, response)
        return response


class FailoverProvider(BaseProvider):
    """Tries the URLs in order, beginning with the one that answered last.

    Checks a node's chain id before its first use: a standby on another chain is worse than none.
    Raises `RpcUnavailable` if no node answers, `WrongChain` if one serves another chain.
    """

    def __init__(self, urls: Sequence[str], *, chain_id: int, timeout_seconds: float) -> None:
        super().__init__()
        if not urls:
            raise ValueError("at least one RPC URL is needed")
        self._chain_id = chain_id
        self._nodes = [
            _Node(URI(url), {"timeout": timeout_seconds}, exception_retry_configuration=None)
            for url in urls
        ]
        self._names = [public_url(url) for url in urls]
        self._checked: set[int] = set()
        self._preferred = 0
        self._lock = threading.Lock()
        # Contracts must not be able to make this process fetch URLs.
        self.global_ccip_read_enabled = False

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The first answer; a JSON-RPC error counts, unless the node is over its rate limit."""
        reasons: dict[str, str] = {}
        count = len(self._nodes)
        for index in [(self._preferred + offset) % count for offset in range(count)]:
            try:
                self._check_chain(index)
                response = self._nodes[index].make_request(method, params)
            except requests.RequestException as error:
                reasons[self._names[index]] = _reason(error)
                continue
            except (NotJson, AnswerMalformed) as error:  # perhaps the page of a captive portal
                reasons[self._names[index]] = f"the answer {error}"
                continue
            if _is_busy(response):
                reasons[self._names[index]] = "the node is over its rate limit"
                continue
            self._preferred = index
            return response
        raise RpcUnavailable(reasons)

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether any node answers."""
        try:
            self.make_request(RPCEndpoint("eth_chainId"), [])
        except RpcUnavailable:
            return False
        return True

    def _check_chain(self, index: int) -> None:
        with self._lock:
            if index in self._checked:
                return
        response = self._nodes[index].make_request(RPCEndpoint("eth_chainId"), [])
        actual = int(str(response.get("result", "0x0")), 16)
        if actual != self._chain_id:
            raise WrongChain(self._chain_id, actual, self._names[index])
        with self._lock:
            self._checked.add(index)


def _reason(error: requests.RequestException) -> str:
    # Never the error's own text: it contains the whole URL, with its key.
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, ValueError):  # requests' errors about the URL itself
        return "not an address that begins with http:// or https:// and a host"
    return type(error).__name__


def _is_busy(response: RPCResponse) -> bool:
    error = response.get("error")
    if not isinstance(error, dict):
        return False
    message = str(error.get("message", "")).lower()
    return error.get("code") in _BUSY or any(word in message for word in _BUSY_WORDS)
