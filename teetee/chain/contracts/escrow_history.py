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
from teetee.chain.logs import logs_of_receipt, read_logs
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


class EscrowHistory:
    """Events and calldata of one escrow."""

    def __init__(self, connection: Connection, deployment: Deployment, escrow: Escrow) -> None:
        self._connection = connection
        self._deployment = deployment
        self._escrow = escrow

    # ------------------------------------------------------------ one request

    def opened(self, request: Request) -> RequestOpened:
        """The event that opened the request. Raises `LogMissing`."""
        block = self._first_block_at(request.opened_at)
        # On a test chain, consecutive blocks may have the same time.
        for number in range(block, self._last_block_at(request.opened_at, block) + 1):
            for log in self._logs("RequestOpened", number, number, requestId=request.request_id):
                return from_event(RequestOpened, log)
        raise LogMissing("RequestOpened", block)

    def ended(self, request: Request) -> RequestEnd | None:
        """How the request ended; None while it is open. Raises `LogMissing`."""
        if request.status is RequestStatus.OPEN:
            return None
        first = self._first_block_at(request.opened_at)
        head = self._connection.head().number
        past_deadline = self._connection.first_block_at(request.deadline + 1, not_before=first)
        last_in_time = past_deadline.number - 1 if past_deadline else head
        request_id = request.request_id
        if request.status is RequestStatus.SETTLED:
            for log in self._logs("RequestSettled", first, last_in_time, requestId=request_id):
                return self._settled(log)
        elif request.status is RequestStatus.DECLINED:
            for log in self._logs("RequestDeclined", first, last_in_time, requestId=request_id):
                reason = DeclineReason(log.arguments["reason"])
                return from_event(RequestDeclined, log, reason=reason)
        else:
            for log in self._logs("RequestRefunded", last_in_time, head, requestId=request_id):
                return from_event(RequestRefunded, log)
        raise LogMissing(f"end of request {request_id}", first)

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

    def _logs(self, event: str, first: int, last: int, **indexed: Any) -> Iterator[EventLog]:
        return read_logs(
            self._connection,
            self._escrow.contract,
            event,
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

    def _last_block_at(self, timestamp: int, first: int) -> int:
        later = self._connection.first_block_at(timestamp + 1, not_before=first)
        return later.number - 1 if later else self._connection.head().number

    def _settled(self, log: EventLog) -> RequestSettled:
        request_id = RequestId(log.arguments["requestId"])
        block = log.block_number
        stages = [
            from_abi(StageSettled, stage.arguments)
            for stage in self._logs("StageSettled", block, block, requestId=request_id)
        ]
        return from_event(RequestSettled, log, stages=tuple(stages))
