# SPDX-License-Identifier: Apache-2.0
"""Several nodes of which one answer is enough: uses the first that answers, the others are
standbys. Waits for nodes that are over their rate limit, as long as they ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from teetee.chain.errors import RpcUnavailable, WrongChain
from teetee.chain.nodes.node import Node, Response
from teetee.chain.nodes.node_failures import NodeFailure, RetryPolicy, pause_before_retry
from teetee.chain.nodes.node_states import NodeStates
from teetee.chain.nodes.votes import block_number, vote_of

_Found = TypeVar("_Found")


class FirstAnswer:
    """Tries the nodes in order, beginning with the one that answered last.

    Raises `RpcUnavailable` if no node answers, `WrongChain` if all of them serve other chains.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        states: NodeStates,
        *,
        chain_id: int,
        wait: Callable[[float], None],
    ) -> None:
        self._nodes = nodes
        self._states = states
        self._chain_id = chain_id
        self._wait = wait
        self._preferred = 0

    def ask(self, method: str, parameters: Any, policy: RetryPolicy) -> Response:
        """The first answer; a JSON-RPC error counts, unless the node is over its rate limit.

        A transaction can be sent twice by this, which does no harm: nodes know it by its hash.
        """
        return self._repeat(lambda node: self._ask_node(node, method, parameters), policy)

    def require_nodes(self, policy: RetryPolicy) -> None:
        """Raises the same unless a node serves the chain; asks for its chain id at most once."""
        self._repeat(lambda node: node.check_chain(), policy)

    def _ask_node(self, node: Node, method: str, parameters: Any) -> Response | NodeFailure:
        answer = node.ask(method, parameters)
        if method == "eth_getBlockByNumber" and "latest" in parameters:
            head = block_number(vote_of(method, answer))
            self._states.on_heads({} if head is None else {node.name: head})
        return answer

    def _repeat(self, ask: Callable[[Node], _Found | NodeFailure], policy: RetryPolicy) -> _Found:
        """The first answer of a node; asks all of them again as the policy says."""
        waited, attempt = 0.0, 0
        while True:
            failures: dict[str, NodeFailure] = {}
            for index in self._order():
                found = ask(self._nodes[index])
                if not isinstance(found, NodeFailure):
                    self._preferred = index
                    self._states.on_answer(self._nodes[index].name)
                    return found
                self._states.on_failure(self._nodes[index].name)
                failures[self._nodes[index].name] = found
            pause = pause_before_retry(
                failures.values(),
                attempt=attempt,
                waited=waited,
                has_answered=any(node.has_served for node in self._nodes),
                policy=policy,
            )
            if pause is None:
                raise error_of(failures, self._chain_id, 1)
            self._wait(pause)
            waited, attempt = waited + pause, attempt + 1

    def _order(self) -> list[int]:
        count = len(self._nodes)
        return [(self._preferred + offset) % count for offset in range(count)]


def error_of(
    failures: Mapping[str, NodeFailure], chain_id: int, needed: int
) -> RpcUnavailable | WrongChain:
    """Why fewer than `needed` nodes answer: unavailable, unless all of them serve other chains."""
    others = {name: failure.chain_id for name, failure in failures.items()}
    for name, other in others.items():
        if None not in others.values():
            return WrongChain(chain_id, other or 0, name)
    reasons = {name: failure.reason for name, failure in failures.items()}
    return RpcUnavailable(reasons, needed)
