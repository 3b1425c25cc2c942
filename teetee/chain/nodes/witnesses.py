# SPDX-License-Identifier: Apache-2.0
"""Several nodes of which enough must agree.

Every read is believed only when `needed` nodes give the same answer about the same block. Nodes see
new blocks at different moments, so the newest block is the newest one that enough nodes know by the
same hash, and what nodes say of "latest" is compared again at that block where it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from teetee.chain.errors import NodesDisagree
from teetee.chain.nodes.first_answer import error_of
from teetee.chain.nodes.node import Response
from teetee.chain.nodes.node_failures import (
    NO_RETRY,
    NodeFailure,
    RetryPolicy,
    pause_before_retry,
)
from teetee.chain.nodes.round import Pool, Round
from teetee.chain.nodes.votes import NoValue, Tally, Value, Vote, block_number
from teetee.errors import TeeTeeError

MAX_HEAD_SPREAD_BLOCKS: Final = 30
"""One minute on Base. Nodes that must agree and are further apart do not agree: one of them may
show the past, or hide it."""

_GET_BLOCK: Final = "eth_getBlockByNumber"
_SEND: Final = "eth_sendRawTransaction"
_HEAD_NAMES: Final = ("latest", "finalized")
_LOW_ESTIMATES: Final = ("eth_gasPrice", "eth_maxPriorityFeePerGas")
_HIGH_ESTIMATES: Final = ("eth_estimateGas",)
_DISAGREEMENT_RETRIES: Final = 2
MAX_ESTIMATE_RATIO: Final = 2
"""Between the estimates of two nodes, none of which is outvoted. Nodes that simulate the same call
differ by a few per cent."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a question has no answer now."""

    error: TeeTeeError
    failures: Mapping[str, NodeFailure] = field(default_factory=dict)
    otherwise: Response | None = None
    """The answer if repetitions change nothing."""


class Witnesses:
    """Asks all nodes at the same time.

    Raises `RpcUnavailable` if too few answer, `NodesDisagree` if they contradict each other,
    `WrongChain` if all of them serve other chains.
    """

    def __init__(
        self, pool: Pool, *, needed: int, chain_id: int, wait: Callable[[float], None]
    ) -> None:
        self._pool = pool
        self._needed = needed
        self._chain_id = chain_id
        self._wait = wait

    def ask(self, method: str, parameters: Any, policy: RetryPolicy) -> Response:
        """What enough nodes say."""
        return self._repeat(lambda: self._ask_once(method, list(parameters or [])), policy)

    def require_nodes(self, policy: RetryPolicy) -> None:
        """Raises the same unless enough nodes serve the chain."""
        self._repeat(lambda: self._agree("eth_chainId", []), policy)

    def _repeat(self, ask: Callable[[], Response | Blocked], policy: RetryPolicy) -> Response:
        waited, attempt = 0.0, 0
        while True:
            found = ask()
            if not isinstance(found, Blocked):
                return found
            pause = pause_before_retry(
                found.failures.values(),
                attempt=attempt,
                waited=waited,
                has_answered=any(node.has_served for node in self._pool.nodes.values()),
                policy=policy,
            )
            if isinstance(found.error, NodesDisagree) and policy is not NO_RETRY:
                pause = policy.first_pause_seconds * 2**attempt
                pause = pause if attempt < _DISAGREEMENT_RETRIES else None
            if pause is None:
                if found.otherwise is not None:
                    return found.otherwise
                raise found.error
            self._wait(pause)
            waited, attempt = waited + pause, attempt + 1

    def _ask_once(self, method: str, parameters: list[Any]) -> Response | Blocked:
        if method == _SEND:
            return self._send(parameters)
        if method == _GET_BLOCK and parameters[0] in _HEAD_NAMES:
            return self._head(parameters[0])
        if method in _LOW_ESTIMATES or method in _HIGH_ESTIMATES or "pending" in parameters:
            return self._estimate(method, parameters)
        if "latest" in parameters:
            return self._at_latest(method, parameters)
        return self._agree(method, parameters)

    # ------------------------------------------------------------ kinds of questions

    def _agree(self, method: str, parameters: list[Any]) -> Response | Blocked:
        """The same answer of enough nodes. Later answers that differ raise the alarm, too."""
        asked = self._start(method, parameters)
        tally = asked.wait_for_agreement()
        agreed = tally.agreed()
        self._watch(method, asked, agreed)
        return self._concluded(method, tally) if agreed is None else agreed

    def _at_latest(self, method: str, parameters: list[Any]) -> Response | Blocked:
        """Mostly the nodes say the same at once; else they are asked about one block."""
        agreed = self._start(method, parameters).wait_for_agreement().agreed()
        if agreed is not None:
            return agreed
        head = self._head("latest")
        if isinstance(head, Blocked):
            return head
        pinned = {"blockHash": head["result"]["hash"], "requireCanonical": True}
        return self._agree(method, [pinned if p == "latest" else p for p in parameters])

    def _head(self, name: str) -> Response | Blocked:
        """The newest block that enough nodes know by the same hash."""
        tally = self._start(_GET_BLOCK, [name, False]).wait_for_most()
        numbers = {
            node: number
            for node, vote in tally.votes.items()
            if (number := block_number(vote)) is not None
        }
        self._pool.states.on_heads(numbers if name == "latest" else {})
        if len(numbers) < self._needed:
            return self._concluded(f"the block {name!r}", tally)
        newest = sorted(numbers.values(), reverse=True)
        for number in dict.fromkeys(newest[self._needed - 1 :]):
            found = self._block(number, numbers, tally.votes)
            if found is not None:
                return found
        return Blocked(self._disagreement(f"the block {name!r}", tally))

    def _block(
        self, number: int, heads: Mapping[str, int], votes: Mapping[str, Vote]
    ) -> Response | None:
        """The block of that number, if enough nodes know it and none of them is far ahead."""
        known = {node: votes[node] for node, head in heads.items() if head == number}
        ahead = [node for node, head in heads.items() if head > number]
        question = (_GET_BLOCK, [hex(number), False])
        asked = Round(self._pool, ahead, question, needed=self._needed, known=known)
        tally = asked.wait_for_agreement()
        agreed = tally.agreed()
        if agreed is None or agreed.get("result") is None:
            self._watch(f"block {number}", asked, None)
            return None
        self._watch(f"block {number}", asked, agreed)
        behind = [heads[node] - number for node in tally.votes if self._says(tally, node, agreed)]
        near = sum(distance <= MAX_HEAD_SPREAD_BLOCKS for distance in behind)
        return agreed if near >= self._needed else None

    def _estimate(self, method: str, parameters: list[Any]) -> Response | Blocked:
        """The middle of the nodes' numbers; of two, the lower fee, and the higher limit or nonce.
        They may differ honestly. Where they differ too much, a slow node is waited for, so that a
        liar is not one of two.
        """
        asked = self._start(method, parameters)
        tally = asked.wait_for_most()
        if _is_doubtful(method, _numbers(tally)):
            tally = asked.wait_for_healthy()
        numbers = _numbers(tally)
        if len(numbers) < self._needed:
            return tally.agreed() or self._concluded(method, tally)
        is_low = method in _LOW_ESTIMATES
        if method in _HIGH_ESTIMATES and len(numbers) == 2 and _is_doubtful(method, numbers):
            return Blocked(self._disagreement(method, tally))
        middle = (len(numbers) - 1) // 2 if is_low else len(numbers) // 2
        return {"jsonrpc": "2.0", "id": 0, "result": hex(numbers[middle])}

    def _send(self, parameters: list[Any]) -> Response | Blocked:
        """To every node; one that accepts is enough, because all know a transaction by its hash."""
        tally = self._start(_SEND, parameters).wait_for_first_value()
        votes = [vote for vote in tally.votes.values() if not isinstance(vote, NodeFailure)]
        for vote in sorted(votes, key=lambda vote: isinstance(vote, NoValue)):
            return vote.response
        return self._concluded(_SEND, tally)

    # ------------------------------------------------------------ conclusions

    def _start(self, method: str, parameters: list[Any]) -> Round:
        names = list(self._pool.nodes)
        return Round(self._pool, names, (method, parameters), needed=self._needed)

    def _concluded(self, what: str, tally: Tally) -> Response | Blocked:
        """What follows from votes without agreement."""
        if tally.contradictions():
            return Blocked(self._disagreement(what, tally))
        silent = tally.without_value()
        if silent is not None and tally.is_contested:
            return Blocked(self._disagreement(what, tally), otherwise=silent)
        if silent is not None:
            return silent
        return Blocked(error_of(tally.failures, self._chain_id, self._needed), tally.failures)

    def _disagreement(self, what: str, tally: Tally) -> NodesDisagree:
        answers = tally.contradictions() or {
            name: "another answer" if isinstance(vote, Value) else "no answer"
            for name, vote in tally.votes.items()
        }
        return NodesDisagree(what, answers, self._needed)

    def _says(self, tally: Tally, name: str, agreed: Response) -> bool:
        vote = tally.votes[name]
        return isinstance(vote, Value) and vote.response == agreed

    def _watch(self, what: str, asked: Round, agreed: Response | None) -> None:
        """Raise the alarm for each node that contradicts the others, now or later."""

        def check(name: str, vote: Vote) -> None:
            tally = asked.tally()
            if tally.contradictions() and isinstance(vote, Value) and vote.response != agreed:
                self._alarm(what, tally, [name])

        asked.on_late_votes(check)
        tally = asked.tally()
        if tally.contradictions():
            values = [name for name, vote in tally.votes.items() if isinstance(vote, Value)]
            liars = [name for name in values if not self._says(tally, name, agreed or {})]
            self._alarm(what, tally, liars)

    def _alarm(self, what: str, tally: Tally, names: list[str]) -> None:
        self._pool.states.on_contradiction(names, self._disagreement(what, tally))


def _numbers(tally: Tally) -> list[int]:
    """What the nodes estimate, sorted."""
    return sorted(
        int(vote.response["result"], 16)
        for vote in tally.votes.values()
        if isinstance(vote, Value) and isinstance(vote.response.get("result"), str)
    )


def _is_doubtful(method: str, numbers: list[int]) -> bool:
    """Whether honest nodes seldom differ so much. A nonce is counted, not estimated."""
    if len(numbers) < 2:
        return False
    is_estimate = method in _LOW_ESTIMATES or method in _HIGH_ESTIMATES
    allowed = numbers[0] * MAX_ESTIMATE_RATIO if is_estimate else numbers[0]
    return numbers[-1] > allowed
