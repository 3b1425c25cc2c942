# SPDX-License-Identifier: Apache-2.0
"""A shard, from contract state and a matching event."""

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
    """Enrolled; serves only with an unexpired attestation and its full bond."""
    RETIRED = 2
    EVICTED = 3
    """Removed as unfit; a renewal reactivates it if its bond is whole."""
    PAUSED = 4
    """Its collateral expired; fresh collateral and a recheck reactivate it."""

    @property
    def is_enlisted(self) -> bool:
        """Whether the shard has not left."""
        return self in (ShardStatus.ACTIVE, ShardStatus.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One enclave's layer range of one model.

    Verified against contract state by the identity digest: chain, registry, host, model, layers,
    slice digest and keys; and by the hash of the quote's claims: measurement and platform. Only as
    trustworthy as the node's event: endpoint, PCK certificate, and the collateral of the last
    attestation.
    """

    shard_id: ShardId
    model_id: ModelId
    layers: LayerRange
    is_entry: bool
    host: str
    keyset: Keyset
    endpoint: str
    """`host:port`. Peers there are authenticated by `keyset.tls`."""
    slice_digest: bytes
    identity_digest: bytes
    quote_hash: bytes
    """Of the quote's claims."""
    measurement: bytes
    pck_id: bytes
    platform_id: bytes
    tcb_status: TcbStatus
    """At enrolment or renewal with the current quote; a recheck may have given another since."""
    evaluation_number: int
    collateral_until: int
    """The number of the TCB info behind that status, and when its collateral expires."""
    attested_until: int
    """Unix seconds; the last second in which it is active."""
    status: ShardStatus
    is_active: bool
    """Whether it may serve, at the block of the read."""
    bond: int
    """Token wei."""
    quoted_block_number: int
    """The block that the current quote is bound to, so the quote is newer."""
    quoted_block_hash: bytes
