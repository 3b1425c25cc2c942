# SPDX-License-Identifier: Apache-2.0
"""What an audit looks at: values read from the chain, nothing concluded yet.

`collect.py` fills these from events, calldata and contract state; the checks work on them alone, so
each can be tried with evidence in which one thing is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from teetee.protocol.layers import LayerRange
from teetee.quotes.claims import PckFacts
from teetee.quotes.tcb_status import TcbStatus


@dataclass(frozen=True)
class RequestEvidence:
    """A request as the contract shows it and as its RequestOpened event says. Amounts in wei."""

    request_id: int
    requester: str
    model_id: int
    status: str
    opened_at: int
    deadline: int
    max_input_tokens: int
    max_output_tokens: int
    input_price: int
    output_price: int
    deposit: int
    recipients: tuple[int, ...]
    announced_otherwise: tuple[str, ...] = ()
    """The fields in which the event differs from contract state."""


@dataclass(frozen=True)
class ModelEvidence:
    """What the registry published of the model: digests of 32 bytes, terms of the settlement."""

    model_id: int
    name: str
    layer_digests: tuple[bytes, ...]
    embedding_digest: bytes
    head_digest: bytes
    royalty_bps: int
    royalty_recipient: str
    entry_layer_equivalents: int


@dataclass(frozen=True)
class StageEvidence:
    """One stage's receipt as it stands in the settlement's calldata."""

    shard_id: int
    input_commitment: bytes
    output_commitment: bytes
    r: bytes
    vs: bytes


@dataclass(frozen=True)
class ShareEvidence:
    """What the settlement's events say of one stage."""

    shard_id: int
    host: str
    amount: int
    quote_hash: bytes


@dataclass(frozen=True)
class SettlementEvidence:
    """The settling transaction: its calldata first, then what its events claim."""

    transaction: str
    block_number: int
    block_time: int
    input_tokens: int
    output_tokens: int
    answer: bytes
    r: bytes
    vs: bytes
    stages: tuple[StageEvidence, ...]

    event_tokens: tuple[int, int]
    event_answer: bytes
    last_receipt: bytes
    cost: int
    fee: int
    royalty: int
    refund: int
    shares: tuple[ShareEvidence, ...]


@dataclass(frozen=True)
class EnrolmentEvidence:
    """A shard by the newest attestation before the settlement, and that attestation's proof."""

    shard_id: int
    model_id: int
    host: str
    layers: LayerRange
    is_entry: bool
    signer: str
    kem: bytes
    tls: bytes
    slice_digest: bytes
    identity_digest: bytes
    """As the registry stores it."""
    quote_hash: bytes
    measurement: bytes
    measurement_allowed: bool
    """By the model's publisher, when the quote was shown."""
    attested_from: int
    """Unix time of the attestation's block."""
    attested_until: int
    left_at: int
    """When the shard was retired or evicted; 0 while it serves."""
    block_number: int
    block_hash: bytes
    """The block bound into the report data, as the event says."""
    chain_block_hash: bytes
    """That block's hash, as the chain says."""
    endpoint: str
    quote_core: bytes
    pck_id: bytes
    pck: PckFacts
    """What the chain keeps of that certificate."""
    tcb_status: TcbStatus
    """What the registry's verifier said of the platform when the quote was shown."""
    evaluation_number: int
    """Of the TCB info that it said so by; 0: it knows none."""
    collateral_until: int
    """When the first part of its collateral ended, Unix seconds; 0 likewise."""


@dataclass(frozen=True)
class RefundEvidence:
    """A RequestRefunded event."""

    transaction: str
    block_time: int
    amount: int
    penalty: int


@dataclass(frozen=True)
class DeclineEvidence:
    """A RequestDeclined event."""

    transaction: str
    block_time: int
    shard_id: int
    reason: str
    amount: int
