# SPDX-License-Identifier: Apache-2.0
"""Requests, their ends and accounts, as the escrow shows them. Amounts are token wei, times Unix
seconds.
"""

from dataclasses import dataclass
from enum import Enum

from teetee.errors import FieldInvalid
from teetee.protocol.envelope import MAX_RECIPIENTS
from teetee.protocol.identifiers import ModelId, RequestId, ShardId

_WIDTHS = {
    "model_id": 32,
    "max_input_tokens": 24,
    "max_output_tokens": 16,
    "max_deposit": 96,
    "deadline": 40,
}
"""Bits in contracts/types/Request.sol."""


class RequestStatus(Enum):
    """Values as in contracts/types/Request.sol. OPEN ends in exactly one of the last three."""

    NONE = 0
    OPEN = 1
    SETTLED = 2
    REFUNDED = 3
    DECLINED = 4


class DeclineReason(Enum):
    """Why an entry declines; it tells nothing about what was asked."""

    UNREADABLE = 0
    """The envelope does not open."""
    INVALID = 1
    """It opens, but there is no valid prompt in it, or one that is longer than was paid for."""
    NO_PATH = 2
    """No whole path of active shards can be reached."""
    OVERLOADED = 3
    """No room before the deadline."""
    STOPPING = 4
    """The enclave is about to leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestParameters:
    """What a requester asks for. Raises `FieldInvalid` for what no contract call can carry."""

    model_id: ModelId
    recipients: tuple[ShardId, ...]
    """1 to 4 active entry shards, the primary first."""
    max_input_tokens: int
    max_output_tokens: int
    max_deposit: int
    """A guard against prices that change meanwhile."""
    deadline: int
    """The last second in which a settlement can pay."""
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

    def to_abi(self) -> dict[str, object]:
        """As the contract wants it."""
        return {
            "modelId": self.model_id,
            "recipients": list(self.recipients),
            "maxInputTokens": self.max_input_tokens,
            "maxOutputTokens": self.max_output_tokens,
            "maxDeposit": self.max_deposit,
            "deadline": self.deadline,
            "clientNonce": self.client_nonce,
            "envelope": self.envelope,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request by contract state."""

    request_id: RequestId
    requester: str
    model_id: ModelId
    status: RequestStatus
    opened_at: int
    deadline: int
    max_input_tokens: int
    max_output_tokens: int
    input_price: int
    """Token wei per LLM token; zero on a host's allowance, as is the next."""
    output_price: int
    deposit: int
    recipients: tuple[ShardId, ...]

    def takeover_at(self, index: int) -> int:
        """When recipient `index` may start or decline. docs/protocol.md section 6."""
        window = self.deadline - self.opened_at
        return self.opened_at + index * window // len(self.recipients)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOpened:
    """RequestOpened: the only place of the envelope."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettled:
    """What one stage of a settled request earned."""

    shard_id: ShardId
    host: str
    quote_hash: bytes
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettled:
    """RequestSettled with its stages in the order of the path: the only place of the answer."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDeclined:
    """RequestDeclined."""

    request_id: RequestId
    shard_id: ShardId
    reason: DeclineReason
    refund: int
    block_number: int
    transaction_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefunded:
    """RequestRefunded."""

    request_id: RequestId
    requester: str
    refund: int
    penalty: int
    block_number: int
    transaction_hash: str


RequestEnd = RequestSettled | RequestDeclined | RequestRefunded


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the escrow keeps for an address."""

    credit: int
    """Can be withdrawn, and pays for the next request first."""
    served_layer_tokens: int
    """Layers × tokens served in paid requests so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a host may use for free, in LLM tokens of this UTC day."""

    quota: int
    used: int

    @property
    def left(self) -> int:
        """Never negative."""
        return max(0, self.quota - self.used)
