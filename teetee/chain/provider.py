# SPDX-License-Identifier: Apache-2.0
"""A web3 provider over several nodes: uses the first that answers, the others are standbys. Waits
for nodes that are over their rate limit, as long as they ask for.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import requests
from eth_typing import URI
from web3 import HTTPProvider
from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from teetee.chain.errors import RpcUnavailable, WrongChain
from teetee.chain.node_failures import (
    NO_RETRY,
    FailureKind,
    NodeFailure,
    RetryPolicy,
    failure_of_exception,
    failure_of_response,
    pause_before_retry,
)
from teetee.chain.rpc_results import AnswerMalformed, require_answer
from teetee.chain.urls import public_url
from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.json.shallow import NotJson

_CHAIN_ID = RPCEndpoint("eth_chainId")
_Found = TypeVar("_Found")


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

    Checks a node's chain id before its first use, once: a standby on another chain is never used.
    Raises `RpcUnavailable` if no node answers, `WrongChain` if all of them serve other chains.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        chain_id: int,
        timeout_seconds: float,
        retry: RetryPolicy | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        if not urls:
            raise ValueError("at least one RPC URL is needed")
        self._chain_id = chain_id
        self._retry = retry or RetryPolicy()
        self._wait = wait
        self._nodes = [
            _Node(URI(url), {"timeout": timeout_seconds}, exception_retry_configuration=None)
            for url in urls
        ]
        self._names = [public_url(url) for url in urls]
        self._checked: set[int] = set()
        self._preferred = 0
        self._lock = threading.Lock()
        self._is_single = _Flag()
        # Contracts must not be able to make this process fetch URLs.
        self.global_ccip_read_enabled = False

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The first answer; a JSON-RPC error counts, unless the node is over its rate limit.

        A transaction can be sent twice by this, which does no harm: nodes know it by its hash.
        """
        return self._repeat(
            lambda index: self._check_chain(index) or self._ask_node(index, method, params)
        )

    def require_node(self) -> None:
        """Raises the same unless a node serves the chain; asks for its chain id at most once."""
        self._repeat(self._check_chain)

    def _repeat(self, ask: Callable[[int], _Found | NodeFailure]) -> _Found:
        """The first answer of a node, by index; asks all of them again as the policy says."""
        waited, attempt = 0.0, 0
        while True:
            failures: dict[str, NodeFailure] = {}
            for index in self._order():
                found = ask(index)
                if not isinstance(found, NodeFailure):
                    self._preferred = index
                    return found
                failures[self._names[index]] = found
            pause = pause_before_retry(
                failures.values(),
                attempt=attempt,
                waited=waited,
                has_answered=bool(self._checked),
                policy=NO_RETRY if self._is_single.active else self._retry,
            )
            if pause is None:
                raise self._failed(failures)
            self._wait(pause)
            waited, attempt = waited + pause, attempt + 1

    @contextmanager
    def single_attempts(self) -> Iterator[None]:
        """In this block and thread, each node is asked once: the caller repeats what it asks."""
        before, self._is_single.active = self._is_single.active, True
        try:
            yield
        finally:
            self._is_single.active = before

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether any node answers."""
        try:
            self.make_request(_CHAIN_ID, [])
        except RpcUnavailable:
            return False
        return True

    def _order(self) -> list[int]:
        count = len(self._nodes)
        return [(self._preferred + offset) % count for offset in range(count)]

    def _ask_node(self, index: int, method: RPCEndpoint, params: Any) -> RPCResponse | NodeFailure:
        try:
            response = self._nodes[index].make_request(method, params)
        except requests.RequestException as error:
            refusal = _json_rpc_error(error)
            if refusal is None:
                return failure_of_exception(error)
            response = refusal
        except (NotJson, AnswerMalformed) as error:  # perhaps the page of a captive portal
            return NodeFailure(f"the answer {error}", FailureKind.OTHER)
        return failure_of_response(method, params, response) or response

    def _check_chain(self, index: int) -> NodeFailure | None:
        with self._lock:
            if index in self._checked:
                return None
        response = self._ask_node(index, _CHAIN_ID, [])
        if isinstance(response, NodeFailure):
            return response
        try:
            actual = int(str(response["result"]), 16)
        except (KeyError, ValueError):
            return NodeFailure("it does not say which chain it serves", FailureKind.LOST)
        if actual != self._chain_id:
            reason = f"it serves chain {actual} instead of chain {self._chain_id}"
            return NodeFailure(reason, FailureKind.WRONG_CHAIN, chain_id=actual)
        with self._lock:
            self._checked.add(index)
        return None

    def _failed(self, failures: Mapping[str, NodeFailure]) -> RpcUnavailable | WrongChain:
        for name, failure in failures.items():
            if all(each.chain_id is not None for each in failures.values()):
                return WrongChain(self._chain_id, failure.chain_id or 0, name)
        return RpcUnavailable({name: failure.reason for name, failure in failures.items()})


class _Flag(threading.local):
    """Each thread's own."""

    active = False


def _json_rpc_error(error: requests.RequestException) -> RPCResponse | None:
    """The JSON-RPC error in the body of an HTTP error: some providers refuse a call with status
    400, or report their rate limit with status 403.
    """
    response = error.response
    if response is None or not 400 <= response.status_code < 500 or response.status_code == 429:
        return None
    try:
        body = shallow_json.load(response.content)
    except NotJson:
        return None
    is_refusal = isinstance(body, dict) and isinstance(body.get("error"), dict)
    found: RPCResponse | None = body if is_refusal else None
    return found
