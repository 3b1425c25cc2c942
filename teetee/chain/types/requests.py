# SPDX-License-Identifier: Apache-2.0
"""Requests, the events of their life, and accounts. Amounts are token wei, times Unix seconds."""

from dataclasses import dataclass
from enum import Enum

from teetee.errors import FieldInvalid
from teetee.protocol.envelope import MAX_RECIPIENTS
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.request_secret import NONCE_PREFIX_BYTES

_WIDTHS = {
    "model_id": 32,
    "max_input_tokens": 24,
    "max_output_tokens": 16,
    "max_deposit": 96,
    "deadline": 40,
}
"""Bits in contracts/types/Request.sol."""


class RequestStatus(Enum):
    """Values as in contracts/types/Request.sol. OPEN changes to exactly one of the last three."""

    NONE = 0
    OPEN = 1
    SETTLED = 2
    REFUNDED = 3
    DECLINED = 4


class DeclineReason(Enum):
    """Why an entry declines; says nothing about the prompt."""

    UNREADABLE = 0
    """The envelope cannot be opened."""
    INVALID = 1
    """The envelope contains no valid prompt, or one longer than was paid for."""
    NO_PATH = 2
    """No complete path of active shards can be reached."""
    OVERLOADED = 3
    """No capacity before the deadline."""
    STOPPING = 4
    """The enclave is shutting down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestParameters:
    """The arguments of a request. Raises `FieldInvalid` for values that the ABI cannot encode."""

    model_id: ModelId
    recipients: tuple[ShardId, ...]
    """1 to 4 active entry shards, the primary first."""
    max_input_tokens: int
    max_output_tokens: int
    max_deposit: int
    """Protects against a price increase in the meantime."""
    deadline: int
    """The last second in which a settlement is accepted."""
    client_nonce: bytes
    """32 bytes."""
    envelope: bytes

    def __post_init__(self) -> None:
        if not 1 <= len(self.recipients) <= MAX_RECIPIENTS:
            raise FieldInvalid("recipients", f"must be 1 to {MAX_RECIPIENTS} shards")
        if len(self.client_nonce) != 32:
            raise FieldInvalid("client_nonce", "must be 32 bytes")
        for field, bits in _WIDTHS.items():
            if not 0 <= getattr(self, field) < 1 << bits:
                raise FieldInvalid(field, f"must be from 0 to {(1 << bits) - 1}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request in contract state."""

    request_id: RequestId
    requester: str
    model_id: ModelId
    status: RequestStatus
    opened_at: int
    deadline: int
    max_input_tokens: int
    max_output_tokens: int
    input_price: int
    """Token wei per LLM token; both prices are zero on a host's allowance."""
    output_price: int
    deposit: int
    recipients: tuple[ShardId, ...]
    nonce_prefix: bytes
    """The first 4 bytes of the client's nonce."""

    def takeover_at(self, index: int) -> int:
        """When recipient `index` may start or decline: docs/protocol.md section 6."""
        window = self.deadline - self.opened_at
        return self.opened_at + index * window // len(self.recipients)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOpened:
    """The event with the envelope, which is nowhere else."""

    request_id: RequestId
    requester: str
    model_id: ModelId
    recipients: tuple[ShardId, ...]
    max_input_tokens: int
    max_output_tokens: int
    deposit: int
    deadline: int
    client_nonce: bytes
    envelope: bytes
    block_number: int
    transaction_hash: str

    @property
    def nonce_prefix(self) -> bytes:
        """As the contract stores it."""
        return self.client_nonce[:NONCE_PREFIX_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettled:
    """The event with the earnings of one stage."""

    shard_id: ShardId
    host: str
    quote_hash: bytes
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettled:
    """The event with the answer, which is nowhere else; stages in path order."""

    request_id: RequestId
    requester: str
    input_tokens: int
    output_tokens: int
    cost: int
    fee: int
    royalty: int
    refund: int
    last_receipt: bytes
    answer: bytes
    stages: tuple[StageSettled, ...]
    block_number: int
    transaction_hash: str
    block_time: int | None = None
    """Unix seconds; None: the node did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDeclined:
    """The event of a decline."""

    request_id: RequestId
    shard_id: ShardId
    reason: DeclineReason
    refund: int
    block_number: int
    transaction_hash: str
    block_time: int | None = None
    """Unix seconds; None: the node did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefunded:
    """The event of a refund."""

    request_id: RequestId
    requester: str
    refund: int
    penalty: int
    block_number: int
    transaction_hash: str
    block_time: int | None = None
    """Unix seconds; None: the node did not say."""


RequestEnd = RequestSettled | RequestDeclined | RequestRefunded


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An address's account with the escrow."""

    credit: int
    """Can be withdrawn; otherwise pays for the next request first."""
    served_layer_tokens: int
    """Layers × tokens served in paid requests so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A host's free LLM tokens for the current UTC day."""

    quota: int
    used: int

    @property
    def left(self) -> int:
        """The unused tokens, never negative."""
        return max(0, self.quota - self.used)
