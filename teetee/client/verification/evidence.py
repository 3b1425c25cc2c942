# SPDX-License-Identifier: Apache-2.0
"""The evidence that a request is verified by: values read from the chain, not yet checked.

`evidence_reader` fills these from events, calldata and contract state. The checks use nothing else,
so a test can change one value and see which check fails.
"""

from __future__ import annotations

from dataclasses import dataclass

from teetee.protocol.layers import LayerRange
from teetee.quotes.claims import PckRecord
from teetee.quotes.tcb_status import TcbStatus


@dataclass(frozen=True)
class RequestEvidence:
    """A request by contract state and by its RequestOpened event. Amounts in wei."""

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
    nonce_prefix: bytes
    event_differences: tuple[str, ...] = ()
    """The fields in which the event differs from contract state."""


@dataclass(frozen=True)
class ModelEvidence:
    """A published model: digests of 32 bytes, and the terms of a settlement."""

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
    """One stage's receipt in the settlement's calldata."""

    shard_id: int
    input_commitment: bytes
    output_commitment: bytes
    r: bytes
    vs: bytes


@dataclass(frozen=True)
class ShareEvidence:
    """One stage's payout by the settlement's events."""

    shard_id: int
    host: str
    amount: int
    quote_hash: bytes


@dataclass(frozen=True)
class SettlementEvidence:
    """The settling transaction: first its calldata, then its events."""

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
    """A shard as attested when the request was settled, with the quote of that attestation."""

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
    """As stored by the registry."""
    quote_hash: bytes
    measurement: bytes
    measurement_allowed: bool
    """By the model's publisher, at the time of the attestation."""
    attested_from: int
    """Unix time of the attestation's block."""
    attested_until: int
    left_at: int
    """When the shard was retired or evicted; 0 while it serves."""
    block_number: int
    block_hash: bytes
    """The block bound into the report data, by the event."""
    chain_block_hash: bytes
    """That block's hash, by the chain."""
    endpoint: str
    quote_core: bytes
    pck_id: bytes
    pck: PckRecord
    """What the chain stores of that certificate."""
    tcb_status: TcbStatus
    """By the registry's verifier, at the time of the attestation."""
    evaluation_number: int
    """Of the TCB info used for it; 0: unknown."""
    collateral_until: int
    """When the first part of that collateral expires, Unix seconds; 0: unknown."""


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
