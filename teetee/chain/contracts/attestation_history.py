# SPDX-License-Identifier: Apache-2.0
"""The attestation history of shards, from the registry's events; includes shards that have left.

Events are only as trustworthy as the node. Some of their fields can be verified: `identity_digest`
can be computed again, and `quote_hash`, which is computed from the claims, is also in contract
state and in settlements. A host that calls through a contract of its own hides nothing: no reader
needs a transaction's calldata.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from teetee.chain.connection import Connection
from teetee.chain.deployment import Deployment
from teetee.chain.logs import WHOLE_CHAIN, read_logs, read_logs_in_blocks
from teetee.chain.types.abi_fields import from_abi, from_event
from teetee.chain.types.blocks import EventLog
from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.keyset import Keyset
from teetee.quotes.claims import QuoteClaims
from teetee.quotes.quote import core_of_argument
from teetee.quotes.tcb_status import TcbStatus

_ATTESTATIONS = ("ShardEnrolled", "ShardRenewed", "ShardRekeyed")
_DEPARTURES = ("ShardRetired", "ShardEvicted")
_PERMISSIONS = ("MeasurementAllowed", "MeasurementWithdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """One ShardEnrolled, ShardRenewed or ShardRekeyed event."""

    shard_id: ShardId
    model_id: ModelId
    host: str
    keyset: Keyset
    slice_digest: bytes
    identity_digest: bytes
    quote_hash: bytes
    """By the claims: what the event says beside them is not believed."""
    claims: QuoteClaims
    quote: bytes = field(repr=False)
    """The `quote` argument: the core, followed by the PEM chain if the verifier takes one."""
    pck_id: bytes
    tcb_status: TcbStatus
    evaluation_number: int
    """The number of the TCB info that gave the status; 0 if the verifier uses none."""
    collateral_until: int
    """Unix seconds at which the first part of that collateral expires; 0 if it uses none."""
    attested_until: int
    """Unix seconds."""
    endpoint: str
    quoted_block_number: int
    """The block that the quote is bound to, so the quote is newer."""
    quoted_block_hash: bytes
    block_number: int
    """The block of the event."""
    block_time: int | None
    """Its time, Unix seconds; None: the node did not say."""
    transaction_hash: str

    @property
    def quote_core(self) -> bytes:
        """The core alone. Checked against nothing: its hash is in the claims."""
        return core_of_argument(self.quote)

    @property
    def measurement(self) -> bytes:
        """Of the image."""
        return self.claims.measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One ShardRetired or ShardEvicted event."""

    is_eviction: bool
    block_number: int
    transaction_hash: str


class AttestationHistory:
    """Events of one registry."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._deployment = deployment
        self._contract = connection.contract("ShardRegistry", deployment.registry)

    def of_shard(
        self, shard_id: ShardId, *, first_block: int | None = None, last_block: int | None = None
    ) -> tuple[Attestation, ...]:
        """All attestations from first to last block, inclusive, oldest first."""
        return _attestations(self._logs(_ATTESTATIONS, first_block, last_block, shardId=shard_id))

    def in_blocks(self, blocks: Mapping[ShardId, int]) -> tuple[Attestation, ...]:
        """The attestations of several shards in known blocks, oldest first."""
        logs = read_logs_in_blocks(
            self._connection,
            self._contract,
            _ATTESTATIONS,
            blocks.values(),
            shardId=list(blocks),
        )
        return _attestations(logs)

    def departures(
        self, shard_id: ShardId, *, first_block: int | None = None, last_block: int | None = None
    ) -> tuple[Departure, ...]:
        """The shard's retirements and evictions, oldest first."""
        return tuple(
            Departure(
                is_eviction=log.event == "ShardEvicted",
                block_number=log.block_number,
                transaction_hash=log.transaction_hash,
            )
            for log in self._logs(_DEPARTURES, first_block, last_block, shardId=shard_id)
        )

    def was_measurement_allowed(self, model_id: ModelId, measurement: bytes, block: int) -> bool:
        """Whether the model allowed the measurement at the end of a block."""
        indexed = {"modelId": model_id, "measurement": measurement}
        changes = self._logs(_PERMISSIONS, None, block, **indexed)
        return bool(changes) and changes[-1].event == "MeasurementAllowed"

    def _logs(
        self, events: tuple[str, ...], first: int | None, last: int | None, **indexed: Any
    ) -> list[EventLog]:
        return list(
            read_logs(
                self._connection,
                self._contract,
                events,
                first_block=self._deployment.deployed_at_block if first is None else first,
                last_block=self._connection.head().number if last is None else last,
                blocks_per_range=WHOLE_CHAIN,
                **indexed,
            )
        )


def _attestations(logs: Iterable[EventLog]) -> tuple[Attestation, ...]:
    """Without those that no registry emits, such as one with an unknown status: the node has made
    them up, and their shards' events are missing.
    """
    found = []
    for log in logs:
        with suppress(ValueError, FieldInvalid):
            found.append(_attestation(log))
    return tuple(found)


def _attestation(log: EventLog) -> Attestation:
    """Raises `ValueError`, `FieldInvalid`."""
    value = log.arguments["attestation"]
    claims = from_abi(QuoteClaims, value["claims"])
    return from_event(
        Attestation,
        replace(log, arguments={**value, **log.arguments}),
        claims=claims,
        quote_hash=claims.quote_hash(),
        keyset=Keyset(value["signer"], value["kem"], value["tls"]),
        tcb_status=TcbStatus(value["tcbStatus"]),
        quoted_block_number=value["blockNumber"],
        quoted_block_hash=value["blockHash"],
    )
