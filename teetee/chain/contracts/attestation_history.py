# SPDX-License-Identifier: Apache-2.0
"""The attestation history of shards, from the registry's events; includes shards that have left.

Events are only as trustworthy as the node. Two of their fields can be verified: `identity_digest`
can be computed again, and `quote_hash` is also in settlements and in calldata.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from teetee.chain.calldata import decode_call
from teetee.chain.connection import Connection
from teetee.chain.deployment import Deployment
from teetee.chain.errors import CalldataUnreadable
from teetee.chain.logs import WHOLE_CHAIN, read_logs, read_logs_in_blocks
from teetee.chain.types.abi_fields import from_event
from teetee.chain.types.blocks import EventLog
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.keyset import Keyset
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
    measurement: bytes
    pck_id: bytes
    platform_id: bytes
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
        logs = self._logs(_ATTESTATIONS, first_block, last_block, shardId=shard_id)
        return tuple(_attestation(log) for log in logs)

    def in_blocks(self, blocks: Mapping[ShardId, int]) -> tuple[Attestation, ...]:
        """The attestations of several shards in known blocks, oldest first."""
        logs = read_logs_in_blocks(
            self._connection,
            self._contract,
            _ATTESTATIONS,
            blocks.values(),
            shardId=list(blocks),
        )
        return tuple(_attestation(log) for log in logs)

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

    def quote(self, transaction_hash: str) -> tuple[bytes, bytes]:
        """Quote core and pckId, from the calldata of an enrolment, renewal or rekeying.

        Checks nothing: compare their `teetee.quotes.claims.quote_hash` with `quote_hash`. Raises
        `CalldataUnreadable` if the call went through another contract.
        """
        argument, pck_id = self.quote_argument(transaction_hash)
        return core_of_argument(argument), pck_id

    def quote_argument(self, transaction_hash: str) -> tuple[bytes, bytes]:
        """The same, but the core is followed by the PEM chain if the verifier takes one."""
        called = decode_call(self._contract, *self._connection.transaction_input(transaction_hash))
        if called is not None and called[0] in ("enrol", "renew", "rekey"):
            return called[1]["quote"], called[1]["pckId"]
        raise CalldataUnreadable(transaction_hash)

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


def _attestation(log: EventLog) -> Attestation:
    value = log.arguments["attestation"]
    return from_event(
        Attestation,
        replace(log, arguments={**value, **log.arguments}),
        keyset=Keyset(value["signer"], value["kem"], value["tls"]),
        tcb_status=TcbStatus(value["tcbStatus"]),
        quoted_block_number=value["blockNumber"],
        quoted_block_hash=value["blockHash"],
    )
