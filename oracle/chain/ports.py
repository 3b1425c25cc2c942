# SPDX-License-Identifier: Apache-2.0
"""What the oracle asks of the chain: four ports.

`chain.heads`, `chain.escrow` and `chain.registry` implement them over `teetee.chain`; tests
implement them in memory. Every call may raise `Retryable` (the node does not answer) in addition to
the errors listed. Every read names the block that it is pinned to.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from oracle.records import Answered, Opening
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import DeclineReason, Request
from teetee.chain.types.shards import Shard
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.path import Spread


class Blocks(Protocol):
    """The chain's blocks."""

    def chain_id(self) -> int:
        """The id of the chain that the node answers for."""

    def head(self) -> Block:
        """The newest block."""

    def finalized(self) -> Block:
        """The newest block that the chain calls finalized."""

    def at(self, number: int) -> Block | None:
        """The block of that number, or None when the node has no such block."""


class EscrowReader(Protocol):
    """Contract state and events of the escrow."""

    def request_count(self, *, at: Block) -> RequestId:
        """The highest id, or 0 when there is no request."""

    def open_ids(self, recipient: ShardId, *, after: RequestId, at: Block) -> Sequence[RequestId]:
        """The ids above `after` of the recipient's open requests, ascending, by one call."""

    def requests_by_id(
        self, numbers: Collection[RequestId], *, at: Block
    ) -> Mapping[RequestId, Request]:
        """These requests, in any state, by one call; those that do not exist are missing."""

    def openings(
        self, requests: Sequence[Request], *, first_block: int, at: Block
    ) -> Sequence[Opening]:
        """The RequestOpened events of those requests whose events the node has, up to that block.
        One call for those that were opened shortly before, or after, `first_block`.
        """


class EscrowWriter(Protocol):
    """Transactions of this enclave's signer. Each call simulates, sends, and waits until the
    transaction is confirmed.

    Raises `Retryable` (no ether, not confirmed in time, node unreachable) and `Rejected` (the
    contract refuses). Returns the transaction's hash.
    """

    def settle(self, answers: Sequence[Answered]) -> str:
        """Settles one or more requests; in a batch, those that have already ended are skipped."""

    def decline(self, request_ids: Sequence[RequestId], reason: DeclineReason) -> str:
        """Declines one or more requests; those that have already ended are skipped. The sender must
        be a recipient of all of them.
        """

    def refund(self, request_id: RequestId) -> str:
        """Refunds a request whose deadline has passed; the sender may be anyone."""


class RegistryReader(Protocol):
    """Contract state of the registry."""

    def active_shards(self, *, at: Block) -> Sequence[Shard]:
        """The active shards of this enclave's model, by ascending id."""

    def spread(self, *, at: Block) -> Spread:
        """How many hosts and platforms the model's policy requires of a path."""

    def own_shard(self, *, at: Block) -> Shard | None:
        """The latest shard that this enclave's signer was enrolled as, active or not."""
