# SPDX-License-Identifier: Apache-2.0
"""A web3 provider over several nodes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from teetee.chain.errors import RpcUnavailable
from teetee.chain.nodes.first_answer import FirstAnswer
from teetee.chain.nodes.node import CHAIN_ID, Node
from teetee.chain.nodes.node_failures import NO_RETRY, RetryPolicy
from teetee.chain.nodes.node_states import NodeState, NodeStates, OnDisagreement
from teetee.chain.nodes.quorum import quorum_of
from teetee.chain.nodes.round import Pool
from teetee.chain.nodes.witnesses import Witnesses


class NodeProvider(BaseProvider):
    """Answers what a quorum of the nodes agrees on; with a quorum of one, the first answer.

    Raises `RpcUnavailable` if too few nodes answer, `NodesDisagree` if they contradict each other,
    `WrongChain` if all of them serve other chains.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        chain_id: int,
        timeout_seconds: float,
        quorum: int | None = None,
        retry: RetryPolicy | None = None,
        wait: Callable[[float], None] = time.sleep,
        on_disagreement: OnDisagreement | None = None,
    ) -> None:
        """`quorum`: how many nodes must agree; None: more than half. Raises `InsecureNode`."""
        super().__init__()
        nodes = [
            Node(url, chain_id=chain_id, timeout_seconds=timeout_seconds)
            for url in dict.fromkeys(urls)
        ]
        needed = quorum_of(len(nodes), quorum)
        _number_equal_names(nodes)
        self._retry = retry or RetryPolicy()
        self._states = NodeStates([node.name for node in nodes], on_disagreement)
        self._reader: FirstAnswer | Witnesses
        if needed == 1:
            self._reader = FirstAnswer(nodes, self._states, chain_id=chain_id, wait=wait)
        else:
            pool = Pool(nodes, self._states, timeout_seconds)
            self._reader = Witnesses(pool, needed=needed, chain_id=chain_id, wait=wait)
        self._is_single = _Flag()
        # Contracts must not be able to make this process fetch URLs.
        self.global_ccip_read_enabled = False

    @property
    def states(self) -> tuple[NodeState, ...]:
        """What is known about each node."""
        return self._states.current()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The nodes' answer; a JSON-RPC error counts, unless a node is over its rate limit."""
        return cast(RPCResponse, self._reader.ask(method, params, self._policy()))

    def require_nodes(self) -> None:
        """Raises unless enough nodes serve the chain; asks each for its chain id at most once."""
        self._reader.require_nodes(self._policy())

    @contextmanager
    def single_attempts(self) -> Iterator[None]:
        """In this block and thread, each node is asked once: the caller repeats what it asks."""
        before, self._is_single.active = self._is_single.active, True
        try:
            yield
        finally:
            self._is_single.active = before

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether enough nodes answer."""
        try:
            self.make_request(RPCEndpoint(CHAIN_ID), [])
        except RpcUnavailable:
            return False
        return True

    def _policy(self) -> RetryPolicy:
        return NO_RETRY if self._is_single.active else self._retry


class _Flag(threading.local):
    """Each thread's own."""

    active = False


def _number_equal_names(nodes: Sequence[Node]) -> None:
    """Two accounts at one provider have the same public URL."""
    seen: dict[str, int] = {}
    for node in nodes:
        seen[node.name] = seen.get(node.name, 0) + 1
        if seen[node.name] > 1:
            node.name = f"{node.name} ({seen[node.name]})"
