# SPDX-License-Identifier: Apache-2.0
"""A chain in memory: blocks, requests, shards, reorganisations and faults. Implements every port
of `oracle.chain.ports`.

It enforces what the escrow enforces about order and time, so that a test which asks for an
impossible ending fails.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from oracle.errors import Rejected
from oracle.records import Answered, Opening
from teetee.chain.errors import NoContract, RpcUnavailable
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.chain.types.shards import Shard
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.path import NO_SPREAD, Spread
from teetee.protocol.request_secret import RequestContext

CHAIN_ID = 31_337
ESCROW = "0x00000000000000000000000000000000000000E5"
REQUESTER = "0x0000000000000000000000000000000000001234"
SHARD = ShardId(1)
FINAL_DEPTH = 4
BLOCK_SECONDS = 2


@dataclass(frozen=True, slots=True)
class _Version:
    """The whole contract state after one block."""

    block: Block
    requests: dict[RequestId, Request] = field(default_factory=dict)
    openings: dict[RequestId, Opening] = field(default_factory=dict)
    shards: dict[ShardId, Shard] = field(default_factory=dict)


class FakeChain:
    """Thread-safe. Every change is a block of its own."""

    def __init__(self) -> None:
        self._versions = [_Version(_block(0, 1_000, b"genesis"))]
        self.wanted_spread = NO_SPREAD
        self._lock = threading.RLock()
        self._fork = b"first"
        self.node_chain_id = CHAIN_ID
        self.is_down = False
        self.shows_events = True
        self.deployed_at = 0  # block of the contracts
        self.refuses: str | None = None  # name of the custom error that settlements meet
        self.sent: list[tuple[str, int]] = []  # (what, request id), in order of inclusion
        self.batches: list[int] = []  # sizes of settlements
        self.declines: list[int] = []  # sizes
        self.reads = 0  # calls that read requests
        self.records_read = 0
        self.fails_openings = False

    # -- what a test does ----------------------------------------------------------------------

    def mine(self, blocks: int = 1, seconds: int = BLOCK_SECONDS) -> None:
        """Empty blocks."""
        for _ in range(blocks):
            self._append(seconds=seconds)

    def open(
        self,
        *,
        envelope: bytes = b"sealed",
        recipients: Sequence[ShardId] = (SHARD,),
        window: int = 100,
        nonce: bytes = bytes(32),
        max_input_tokens: int = 100,
        max_output_tokens: int = 100,
        requester: str = REQUESTER,
    ) -> RequestId:
        """A request, in a block of its own."""
        with self._lock:
            number = RequestId(len(self._versions[-1].requests) + 1)
            at = self._versions[-1].block.timestamp + BLOCK_SECONDS
            request = Request(
                request_id=number,
                status=RequestStatus.OPEN,
                requester=requester,
                model_id=ModelId(1),
                opened_at=at,
                deadline=at + window,
                max_input_tokens=max_input_tokens,
                max_output_tokens=max_output_tokens,
                input_price=1,
                output_price=2,
                deposit=max_input_tokens + 2 * max_output_tokens,
                recipients=tuple(recipients),
                nonce_prefix=nonce[:4],
            )
            block = self._versions[-1].block.number + 1
            opening = Opening(request, CHAIN_ID, ESCROW, nonce, block, envelope)
            self._append(requests={number: request}, openings={number: opening})
            return number

    def enrol(self, shard: Shard) -> None:
        """A shard, in a block of its own."""
        self._append(shards={shard.shard_id: shard})

    def evict(self, shard_id: ShardId) -> None:
        """Removes the shard in the next block."""
        self._append(without_shard=shard_id)

    def reorganise(self, depth: int) -> None:
        """Takes the last `depth` blocks back and mines one empty block more in their place."""
        with self._lock:
            del self._versions[-depth:]
            self._fork = sha256(self._fork).digest()
            self.mine(depth + 1)

    def status(self, number: RequestId) -> RequestStatus:
        """At the head."""
        return self._versions[-1].requests[number].status

    def is_open(self, number: RequestId) -> bool:
        """At the head."""
        request = self._versions[-1].requests.get(number)
        return request is not None and request.status is RequestStatus.OPEN

    # -- Blocks --------------------------------------------------------------------------------

    def chain_id(self) -> int:
        self._answer()
        return self.node_chain_id

    def head(self) -> Block:
        self._answer()
        return self._versions[-1].block

    def finalized(self) -> Block:
        self._answer()
        return self._versions[max(0, len(self._versions) - 1 - FINAL_DEPTH)].block

    def at(self, number: int) -> Block | None:
        self._answer()
        return self._versions[number].block if number < len(self._versions) else None

    # -- EscrowReader --------------------------------------------------------------------------

    def request_count(self, *, at: Block) -> RequestId:
        return RequestId(len(self._version(at).requests))

    def open_ids(self, recipient: ShardId, *, after: RequestId, at: Block) -> list[RequestId]:
        self.reads += 1
        return [
            number
            for number, request in sorted(self._version(at).requests.items())
            if number > after
            and request.status is RequestStatus.OPEN
            and recipient in request.recipients
        ]

    def requests_by_id(
        self, numbers: Collection[RequestId], *, at: Block
    ) -> dict[RequestId, Request]:
        self.reads += 1
        self.records_read += len(numbers)
        requests = self._version(at).requests
        return {number: requests[number] for number in sorted(numbers) if number in requests}

    def openings(
        self, requests: Sequence[Request], *, first_block: int, at: Block
    ) -> list[Opening]:
        openings = self._version(at).openings
        if self.fails_openings:
            raise RpcUnavailable({"http://node.invalid": "no logs"})
        wanted = [request.request_id for request in requests if request.request_id in openings]
        return [openings[number] for number in wanted] if self.shows_events else []

    # -- EscrowWriter --------------------------------------------------------------------------

    def settle(self, answers: Sequence[Answered]) -> str:
        with self._lock:
            self._answer()
            if self.refuses is not None:
                raise Rejected(action="a settlement", reason=self.refuses)
            self.batches.append(len(answers))
            for answered in answers:
                if len(answers) == 1 or self._is_open_in_time(answered.request_id):
                    self._end(answered.request_id, RequestStatus.SETTLED, "settle")
            return _hash(self.sent)

    def decline(self, request_ids: Sequence[RequestId], reason: DeclineReason) -> str:
        with self._lock:
            self._answer()
            self.declines.append(len(request_ids))
            now = self._versions[-1].block.timestamp
            requests = [self._versions[-1].requests[request_id] for request_id in request_ids]
            still_open = [one for one in requests if one.status is RequestStatus.OPEN]
            for one in still_open:
                if not one.takeover_at(one.recipients.index(SHARD)) <= now <= one.deadline:
                    raise Rejected(action="a decline", reason="DeclineTooEarly or DeclineTooLate")
            self.sent += [(f"decline {reason.name}", int(one.request_id)) for one in still_open]
            self._append(
                requests={
                    one.request_id: replace(one, status=RequestStatus.DECLINED)
                    for one in still_open
                }
            )
            return _hash(self.sent)

    def refund(self, request_id: RequestId) -> str:
        with self._lock:
            self._answer()
            if (
                self._versions[-1].block.timestamp
                <= self._versions[-1].requests[request_id].deadline
            ):
                raise Rejected(action="a refund", reason="RefundTooEarly")
            self._end(request_id, RequestStatus.REFUNDED, "refund", in_time=False)
            return _hash(self.sent)

    # -- RegistryReader ------------------------------------------------------------------------

    def spread(self, *, at: Block) -> Spread:
        return self.wanted_spread

    def active_shards(self, *, at: Block) -> Sequence[Shard]:
        shards = self._version(at).shards
        return [shards[shard_id] for shard_id in sorted(shards)]

    def own_shard(self, *, at: Block) -> Shard | None:
        return self._version(at).shards.get(SHARD)

    # -- inside --------------------------------------------------------------------------------

    def _answer(self) -> None:
        if self.is_down:
            raise RpcUnavailable({"http://node.invalid": "no connection"})

    def _version(self, at: Block) -> _Version:
        self._answer()
        if at.number < self.deployed_at:
            raise NoContract("escrow", ESCROW)
        with self._lock:
            version = self._versions[at.number] if at.number < len(self._versions) else None
        if version is None or version.block != at:
            raise RpcUnavailable({"http://node.invalid": "block unknown"})
        return version

    def _is_open_in_time(self, number: RequestId) -> bool:
        request = self._versions[-1].requests[number]
        in_time = self._versions[-1].block.timestamp <= request.deadline
        return request.status is RequestStatus.OPEN and in_time

    def _end(
        self, number: RequestId, status: RequestStatus, what: str, *, in_time: bool = True
    ) -> None:
        request = self._versions[-1].requests[number]
        if request.status is not RequestStatus.OPEN:
            raise Rejected(action=what, reason="RequestNotOpen")
        if in_time and not self._is_open_in_time(number):
            raise Rejected(action=what, reason="SettlementTooLate")
        self.sent.append((what, int(number)))
        self._append(requests={number: replace(request, status=status)})

    def _append(
        self,
        *,
        requests: dict[RequestId, Request] | None = None,
        openings: dict[RequestId, Opening] | None = None,
        shards: dict[ShardId, Shard] | None = None,
        without_shard: ShardId | None = None,
        seconds: int = BLOCK_SECONDS,
    ) -> None:
        with self._lock:
            last = self._versions[-1]
            number = last.block.number + 1
            kept = {key: value for key, value in last.shards.items() if key != without_shard}
            self._versions.append(
                _Version(
                    _block(number, last.block.timestamp + seconds, self._fork),
                    last.requests | (requests or {}),
                    last.openings | (openings or {}),
                    kept | (shards or {}),
                )
            )


def context(nonce: bytes = bytes(32)) -> RequestContext:
    """Of a request of this chain."""
    return RequestContext(
        chain_id=CHAIN_ID,
        escrow=ESCROW,
        requester=REQUESTER,
        model_id=ModelId(1),
        client_nonce=nonce,
    )


def _block(number: int, timestamp: int, fork: bytes) -> Block:
    return Block(number, sha256(fork + number.to_bytes(8)).digest(), timestamp)


def _hash(sent: list[tuple[str, int]]) -> str:
    return "0x" + len(sent).to_bytes(32).hex()
