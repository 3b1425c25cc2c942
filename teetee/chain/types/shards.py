# SPDX-License-Identifier: Apache-2.0
"""A shard as the registry shows it, checked: contract state and event data agree."""

from dataclasses import dataclass
from enum import Enum

from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.keyset import Keyset
from teetee.protocol.layers import LayerRange
from teetee.quotes.tcb_status import TcbStatus


class ShardStatus(Enum):
    """Values as in contracts/types/Shard.sol."""

    NONE = 0
    ACTIVE = 1
    """Enrolled; it serves only while its attestation has not expired and its bond is whole."""
    RETIRED = 2
    EVICTED = 3
    """Unfit; a renewal brings it back."""
    PAUSED = 4
    """The collateral to judge it by went stale; fresh collateral and a recheck bring it back."""

    @property
    def is_enlisted(self) -> bool:
        """Whether the shard has not left."""
        return self in (ShardStatus.ACTIVE, ShardStatus.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One enclave's layer range of one model.

    Chain, registry, host, model, layers, slice digest and keys were hashed again and found to be
    what the contract vouches for; endpoint, measurement, platform, PCK certificate and what was
    judged by are the event's word.
    """

    shard_id: ShardId
    model_id: ModelId
    layers: LayerRange
    is_entry: bool
    host: str
    keyset: Keyset
    endpoint: str
    """`host:port`. Whoever answers there is checked by `keyset.tls`."""
    slice_digest: bytes
    identity_digest: bytes
    quote_hash: bytes
    """keccak256 of the quote core."""
    measurement: bytes
    pck_id: bytes
    platform_id: bytes
    tcb_status: TcbStatus
    """As judged when the present quote was shown; a recheck may have found otherwise since."""
    evaluation_number: int
    collateral_until: int
    """What that verdict rested on: the TCB info's number, and when the first of it ended."""
    attested_until: int
    """Unix seconds; the last one in which it is active."""
    status: ShardStatus
    is_active: bool
    """Whether it may serve at the block of the read."""
    bond: int
    """Token wei."""
    enrolment_transaction: str
    """The transaction whose calldata holds the present quote: an enrolment or the newest renewal.
    """
    quoted_block_number: int
    """The block which the present quote is bound to: the quote is younger."""
    quoted_block_hash: bytes
