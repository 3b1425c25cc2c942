# SPDX-License-Identifier: Apache-2.0
"""What the oracle asks of the chain, in its own words: a seam of few verbs.

`chain.escrow` and `chain.registry` implement them over `teetee.chain`; tests implement them in
memory. Every call may raise `Retryable` (the node does not answer) besides what is named. Every
reading names the block that it is pinned to.
"""

from collections.abc import Sequence
from typing import Protocol

from oracle.records import Answered, Opening
from teetee.chain.connection import Block
from teetee.chain.types.requests import DeclineReason, Request, Settled
from teetee.chain.types.shards import Shard
from teetee.protocol.identifiers import RequestId
from teetee.protocol.path import Spread


class Blocks(Protocol):
    """The chain's blocks."""

    def chain_id(self) -> int:
        """Of the node that answers."""

    def head(self) -> Block:
        """The newest."""

    def safe(self) -> Block:
        """The newest that the chain calls safe."""

    def at(self, number: int) -> Block | None:
        """None: this node knows no such block."""


class EscrowReader(Protocol):
    """Contract state and events of the escrow."""

    def request_count(self, *, at: Block) -> RequestId:
        """The highest id; 0: there is none."""

    def open_requests(
        self, *, after: RequestId, limit: int, at: Block
    ) -> tuple[Sequence[RequestId], RequestId | None]:
        """The open ones among the `limit` ids beyond `after`, and where the next page begins."""

    def request(self, request_id: RequestId, *, at: Block) -> Request | None:
        """None: there is no such request at that block."""

    def opening(self, request: Request, *, at: Block) -> Opening | None:
        """What the event RequestOpened says of it; None: this node has no such event up to that
        block.
        """

    def settled(self, request: Request) -> Settled:
        """What the event RequestSettled says of a settled request. Raises `LogMissing`."""


class EscrowWriter(Protocol):
    """What this enclave's signer sends. Each call simulates, sends and waits until it is confirmed.

    Raises `Retryable` (no ether, not confirmed in time, node gone) and `Rejected` (the contract
    refuses).
    Returns the transaction's hash.
    """

    def settle(self, answers: Sequence[Answered]) -> str:
        """One or more; those which ended meanwhile are skipped, where there are several."""

    def decline(self, request_id: RequestId, reason: DeclineReason) -> str:
        """As a recipient."""

    def refund(self, request_id: RequestId) -> str:
        """As anybody."""


class RegistryReader(Protocol):
    """Contract state of the registry."""

    def active_shards(self, *, at: Block) -> Sequence[Shard]:
        """Of our model, by rising id."""

    def spread(self, *, at: Block) -> Spread:
        """What our model's policy asks of paths."""

    def own_shard(self, *, at: Block) -> Shard | None:
        """The latest shard that our signer was enrolled as, active or not."""
