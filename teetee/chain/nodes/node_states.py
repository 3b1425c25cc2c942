# SPDX-License-Identifier: Apache-2.0
"""What is known about each node, for metrics and alarms. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from teetee.chain.errors import NodesDisagree


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node, since this process started."""

    name: str
    """Its URL without keys."""
    answers: int = 0
    failures: int = 0
    contradictions: int = 0
    """Answers that contradict what enough others say."""
    is_failing: bool = False
    """Whether its last call failed."""
    head: int | None = None
    """The number of the newest block that it named."""


OnDisagreement = Callable[[NodesDisagree], None]
"""An alarm: a node contradicts others. Called from any thread, also when enough others agree."""


class NodeStates:
    """The states of all nodes."""

    def __init__(self, names: Sequence[str], on_disagreement: OnDisagreement | None) -> None:
        self._lock = threading.Lock()
        self._states = {name: NodeState(name) for name in names}
        self._on_disagreement = on_disagreement

    def current(self) -> tuple[NodeState, ...]:
        """In the order of the URLs."""
        with self._lock:
            return tuple(self._states.values())

    def is_failing(self, name: str) -> bool:
        """Whether the node's last call failed."""
        return self._states[name].is_failing

    def on_answer(self, name: str) -> None:
        """A node answered."""
        with self._lock:
            state = self._states[name]
            self._states[name] = replace(state, answers=state.answers + 1, is_failing=False)

    def on_failure(self, name: str) -> None:
        """A node gave no usable answer."""
        with self._lock:
            state = self._states[name]
            self._states[name] = replace(state, failures=state.failures + 1, is_failing=True)

    def on_heads(self, heads: Mapping[str, int]) -> None:
        """Nodes named their newest blocks."""
        with self._lock:
            for name, number in heads.items():
                self._states[name] = replace(self._states[name], head=number)

    def on_contradiction(self, names: Sequence[str], error: NodesDisagree) -> None:
        """These nodes contradict others."""
        with self._lock:
            for name in names:
                state = self._states[name]
                self._states[name] = replace(state, contradictions=state.contradictions + 1)
        if self._on_disagreement is not None:
            self._on_disagreement(error)
