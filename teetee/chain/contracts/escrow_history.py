# SPDX-License-Identifier: Apache-2.0
"""What happened to requests, from the escrow's events and calldata.

Envelope and answer are there alone. Where an event must be is known from contract state: a
request's time of opening and its deadline bound the blocks, so that few are searched.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from web3.types import LogReceipt

from teetee.chain.calldata import decode_call
from teetee.chain.connection import Connection, Log
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.deployment import Deployment
from teetee.chain.errors import CalldataUnreadable, LogMissing
from teetee.chain.logs import logs_of_receipt, read_logs
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
from teetee.protocol.identifiers import ModelId, RequestId, ShardId


class EscrowHistory:
    """Events of one escrow."""

    def __init__(self, connection: Connection, deployment: Deployment, escrow: Escrow) -> None:
        self._connection = connection
        self._deployment = deployment
        self._escrow = escrow

    # ------------------------------------------------------------ one request

    def opened(self, request: Request) -> RequestOpened:
        """The event which opened the request. Raises `LogMissing`."""
        block = self._first_block_at(request.opened_at)
        # Several blocks may share a second on a test chain: they follow one another.
        for number in range(block, self._last_block_at(request.opened_at, block) + 1):
            for log in self._logs("RequestOpened", number, number, requestId=request.request_id):
                return _opened(log)
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
                return _declined(log)
        else:
            for log in self._logs("RequestRefunded", last_in_time, head, requestId=request_id):
                return _refunded(log)
        raise LogMissing(f"end of request {request_id}", first)

    def settlement(self, settled: RequestSettled) -> SettlementParameters:
        """What was signed, from the transaction's calldata. Raises `CalldataUnreadable`."""
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
        """The request which a transaction has opened."""
        logs = logs_of_receipt(self._escrow.contract, "RequestOpened", list(receipt_logs))
        return _opened(logs[0]) if logs else None

    # ------------------------------------------------------------ private

    def _logs(self, event: str, first: int, last: int, **indexed: Any) -> Iterator[Log]:
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

    def _settled(self, log: Log) -> RequestSettled:
        request_id = RequestId(log.arguments["requestId"])
        block = log.block_number
        stages = [
            StageSettled(
                shard_id=ShardId(stage.arguments["shardId"]),
                host=stage.arguments["host"],
                quote_hash=stage.arguments["quoteHash"],
                amount=stage.arguments["amount"],
            )
            for stage in self._logs("StageSettled", block, block, requestId=request_id)
        ]
        arguments = log.arguments
        return RequestSettled(
            request_id=request_id,
            requester=arguments["requester"],
            input_tokens=arguments["inputTokens"],
            output_tokens=arguments["outputTokens"],
            cost=arguments["cost"],
            fee=arguments["fee"],
            royalty=arguments["royalty"],
            refund=arguments["refund"],
            last_receipt=arguments["lastReceipt"],
            answer=arguments["answer"],
            stages=tuple(stages),
            block_number=block,
            transaction_hash=log.transaction_hash,
        )


def _opened(log: Log) -> RequestOpened:
    arguments = log.arguments
    return RequestOpened(
        request_id=RequestId(arguments["requestId"]),
        requester=arguments["requester"],
        model_id=ModelId(arguments["modelId"]),
        recipients=tuple(ShardId(shard_id) for shard_id in arguments["recipients"]),
        max_input_tokens=arguments["maxInputTokens"],
        max_output_tokens=arguments["maxOutputTokens"],
        deposit=arguments["deposit"],
        deadline=arguments["deadline"],
        client_nonce=arguments["clientNonce"],
        envelope=arguments["envelope"],
        block_number=log.block_number,
        transaction_hash=log.transaction_hash,
    )


def _declined(log: Log) -> RequestDeclined:
    return RequestDeclined(
        request_id=RequestId(log.arguments["requestId"]),
        shard_id=ShardId(log.arguments["shardId"]),
        reason=DeclineReason(log.arguments["reason"]),
        refund=log.arguments["refund"],
        block_number=log.block_number,
        transaction_hash=log.transaction_hash,
    )


def _refunded(log: Log) -> RequestRefunded:
    return RequestRefunded(
        request_id=RequestId(log.arguments["requestId"]),
        requester=log.arguments["requester"],
        refund=log.arguments["refund"],
        penalty=log.arguments["penalty"],
        block_number=log.block_number,
        transaction_hash=log.transaction_hash,
    )
