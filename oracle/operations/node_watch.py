# SPDX-License-Identifier: Apache-2.0
"""How each RPC node does, one by one: the connection itself hides which of them answers.

Nodes are named by their place in the setting, from 1: host names and paths can hold keys.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.operations.metrics import Metrics
from teetee.chain.nodes.node_states import NodeState
from teetee.chain.types.blocks import Block
from teetee.errors import TeeTeeError


class Node(Protocol):
    """A connection to one node alone."""

    def head(self) -> Block:
        """Its newest block. Raises `Retryable`."""


class NodeWatch:
    """One loop calls `poll`."""

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        states: Callable[[], Sequence[NodeState]],
        metrics: Metrics,
        log: FilteringBoundLogger,
    ) -> None:
        """`states`: what the connection to all of them counts, in the same order."""
        self._nodes = nodes
        self._states = states
        self._metrics = metrics
        self._log = log
        self._failing: set[int] = set()

    def poll(self) -> None:
        """Asks every node for its newest block; logs when one begins to fail, and when it ends."""
        heads = {index: self._head_of(index, node) for index, node in enumerate(self._nodes, 1)}
        known = {index: number for index, number in heads.items() if number is not None}
        furthest = max(known.values(), default=0)
        for index, number in heads.items():
            self._metrics.set("node_up", int(number is not None), node=index)
            if number is not None:
                self._metrics.set("node_head_block", number, node=index)
                self._metrics.set("node_lag_blocks", furthest - number, node=index)
        for index, state in enumerate(self._states(), 1):
            self._metrics.set("node_contradictions", state.contradictions, node=index)

    def _head_of(self, index: int, node: Node) -> int | None:
        try:
            number = node.head().number
        except TeeTeeError as error:
            if index not in self._failing:
                self._failing.add(index)
                self._log.warning("node does not answer", node=index, error=error)
            return None
        if index in self._failing:
            self._failing.remove(index)
            self._log.info("node answers again", node=index)
        return number
