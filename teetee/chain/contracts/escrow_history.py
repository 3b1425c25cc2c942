# SPDX-License-Identifier: Apache-2.0
"""The history of requests, from the escrow's events and calldata.

Only events contain envelopes and answers. Contract state says where to search: a request's opening
time and deadline bound the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from teetee.chain.calldata import decode_call
from teetee.chain.connection import Connection
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.deployment import Deployment
from teetee.chain.errors import CalldataUnreadable, LogMissing
from teetee.chain.logs import NEAR_BLOCKS, Events, logs_of_receipt, read_logs
from teetee.chain.types.abi_fields import from_abi, from_event
from teetee.chain.types.blocks import EventLog
from teetee.chain.types.requests import (
    DeclineReason,
    Request,
    RequestDeclined,
    RequestEnd,
    RequestOpened,
    RequestRefunded,
    RequestSettled,
    RequestStatus,
    StageSettled,
)
from teetee.chain.types.settlements import SettlementParameters
from teetee.protocol.identifiers import RequestId

if TYPE_CHECKING:
    from web3.types import LogReceipt

_ENDS = ("StageSettled", "RequestSettled", "RequestDeclined", "RequestRefunded")

BlockRange = tuple[int, int]
"""First and last block, both included."""


class EscrowHistory:
    """Events and calldata of one escrow."""

    def __init__(self, connection: Connection, deployment: Deployment, escrow: Escrow) -> None:
        self._connection = connection
        self._deployment = deployment
        self._escrow = escrow

    # ------------------------------------------------------------ one request

    def opened(self, request: Request) -> RequestOpened:
        """The event that opened the request. Raises `LogMissing`."""
        first = self._first_block_at(request.opened_at)
        head = self._connection.head().number
        start = first
        while start <= head:
            end = min(start + NEAR_BLOCKS - 1, head)
            for log in self._logs("RequestOpened", start, end, requestId=request.request_id):
                return from_event(RequestOpened, log)
            # On a test chain, consecutive blocks may have the same time.
            if self._connection.block(end).timestamp > request.opened_at:
                break
            start = end + 1
        raise LogMissing("RequestOpened", first)

    def opened_between(
        self, request_ids: Sequence[RequestId], between: BlockRange
    ) -> list[RequestOpened]:
        """The events of these requests within a range of blocks, in one call if it is short."""
        logs = self._logs("RequestOpened", *between, requestId=list(request_ids))
        return [from_event(RequestOpened, log) for log in logs]

    def ended(self, request: Request) -> RequestEnd | None:
        """How the request ended; None while it is open. Raises `LogMissing`."""
        if request.status is RequestStatus.OPEN:
            return None
        first = self._first_block_at(request.opened_at)
        for between in self._likely_ranges(request, first):
            if (found := self.end_in(request, between)) is not None:
                return found
        raise LogMissing(f"end of request {request.request_id}", first)

    def end_in(self, request: Request, between: BlockRange) -> RequestEnd | None:
        """The end of a request within a range of blocks; None if it is not there."""
        stages: list[EventLog] = []
        for log in self._logs(_ENDS, *between, requestId=request.request_id):
            match log.event:
                case "StageSettled":
                    stages.append(log)
                case "RequestSettled":
                    return self._settled(log, stages)
                case "RequestDeclined":
                    reason = DeclineReason(log.arguments["reason"])
                    return from_event(RequestDeclined, log, reason=reason)
                case "RequestRefunded":
                    return from_event(RequestRefunded, log)
        return None

    def settlement(self, settled: RequestSettled) -> SettlementParameters:
        """The signed settlement, from the transaction's calldata. Raises `CalldataUnreadable`."""
        sent = self._connection.transaction_input(settled.transaction_hash)
        batch: tuple[dict[str, Any], ...] = ()
        match decode_call(self._escrow.contract, *sent):
            case ("settle", {"parameters": parameters}):
                batch = (parameters,)
            case ("settleBatch", {"batch": several}):
                batch = several
        for value in batch:
            if value["requestId"] == settled.request_id:
                return SettlementParameters.from_abi(value)
        raise CalldataUnreadable(settled.transaction_hash)

    # ------------------------------------------------------------ one transaction

    def opened_in(self, receipt_logs: Sequence[LogReceipt]) -> RequestOpened | None:
        """The request that a transaction opened; None if it opened none."""
        logs = logs_of_receipt(self._escrow.contract, "RequestOpened", receipt_logs)
        return from_event(RequestOpened, logs[0]) if logs else None

    # ------------------------------------------------------------ private

    def _logs(self, events: Events, first: int, last: int, **indexed: Any) -> Iterator[EventLog]:
        return read_logs(
            self._connection,
            self._escrow.contract,
            events,
            first_block=first,
            last_block=last,
            **indexed,
        )

    def _first_block_at(self, timestamp: int) -> int:
        block = self._connection.first_block_at(
            timestamp, not_before=self._deployment.deployed_at_block
        )
        if block is None:
            raise LogMissing("request", self._connection.head().number)
        return block.number

    def _likely_ranges(self, request: Request, first: int) -> Iterator[BlockRange]:
        """Where the end of a request is, likely blocks first: blocks take a second or more.
        `first`: the block that opened it.
        """
        head = self._connection.head().number
        if request.status is not RequestStatus.REFUNDED:
            likely = min(first + request.deadline - request.opened_at, head)
            yield first, likely
            first = likely + 1
        late = self._connection.first_block_at(request.deadline + 1, not_before=first)
        if request.status is RequestStatus.REFUNDED:
            yield (late.number if late else head), head
        else:
            yield first, (late.number - 1 if late else head)

    def _settled(self, log: EventLog, stages: Sequence[EventLog]) -> RequestSettled:
        """The stages' events come before it, in the same block."""
        paid = [
            from_abi(StageSettled, stage.arguments)
            for stage in stages
            if stage.block_number == log.block_number
        ]
        return from_event(RequestSettled, log, stages=tuple(paid))
