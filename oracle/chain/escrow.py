# SPDX-License-Identifier: Apache-2.0
"""The escrow: implements `EscrowReader` and `EscrowWriter` over `teetee.chain`."""

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from oracle.errors import EtherIsShort, GasTooDear, NotConfirmed, Rejected, Stopped
from oracle.records import Answered, Opening
from teetee.chain.calldata import Call
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import ContractRejected, UnknownRequest
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.escrow_history import EscrowHistory
from teetee.chain.deployment import Deployment
from teetee.chain.errors import (
    FeeAboveLimit,
    InsufficientFunds,
    LogMissing,
    TransactionUnconfirmed,
)
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import DeclineReason, Request, RequestOpened
from teetee.chain.types.settlements import SettlementParameters
from teetee.protocol.identifiers import RequestId, ShardId

PAGE = 2_000
"""Ids per read: two storage accesses each, far below the gas that nodes allow a call."""
RECENT_BLOCKS = 64
"""A range of events that all nodes accept, or that `teetee.chain.logs` splits into a few."""
EVENTS_PER_CALL = 32
"""Envelopes have up to 70 KB each."""


class ChainEscrowReader:
    """Reads requests."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._deployment = deployment
        self._escrow = Escrow(connection, deployment)
        self._history = EscrowHistory(connection, deployment, self._escrow)

    def request_count(self, *, at: Block) -> RequestId:
        """The highest id, or 0 when there is no request."""
        return RequestId(self._escrow.request_count(at))

    def open_ids(self, recipient: ShardId, *, after: RequestId, at: Block) -> list[RequestId]:
        """The ids above `after` of the recipient's open requests, ascending."""
        found: set[RequestId] = set()
        cursor: int = after
        while True:
            ids, cursor = self._escrow.open_page(cursor, PAGE, at, recipient=recipient)
            found.update(ids)
            if not cursor:
                return sorted(found)

    def requests_by_id(
        self, numbers: Collection[RequestId], *, at: Block
    ) -> dict[RequestId, Request]:
        """These requests, in any state; those that do not exist are missing."""
        batch = self._connection.batch(at)
        reads = {number: self._escrow.request_in(batch, number) for number in numbers}
        requests = {number: _existing(read) for number, read in reads.items()}
        return {number: request for number, request in requests.items() if request is not None}

    def openings(
        self, requests: Sequence[Request], *, first_block: int, at: Block
    ) -> list[Opening]:
        """Those whose RequestOpened event the node has up to that block."""
        by_id = {request.request_id: request for request in requests}
        first = max(first_block - RECENT_BLOCKS, self._deployment.deployed_at_block)
        found: dict[RequestId, RequestOpened] = {}
        if at.number - first <= 2 * RECENT_BLOCKS:
            numbers = list(by_id)
            for start in range(0, len(numbers), EVENTS_PER_CALL):
                some = numbers[start : start + EVENTS_PER_CALL]
                opened = self._history.opened_between(some, (first, at.number))
                found |= {one.request_id: one for one in opened}
        for request_id in by_id.keys() - found.keys():
            with suppress(LogMissing):  # a node may have the state before it has the log
                found[request_id] = self._history.opened(by_id[request_id])
        return [
            self._opening(by_id[number], opened)
            for number, opened in sorted(found.items())
            if opened.block_number <= at.number
        ]

    def _opening(self, request: Request, opened: RequestOpened) -> Opening:
        return Opening(
            request=request,
            chain_id=self._deployment.chain_id,
            escrow=self._deployment.escrow,
            client_nonce=opened.client_nonce,
            block_number=opened.block_number,
            envelope=opened.envelope,
        )


def _existing(read: Callable[[], Request]) -> Request | None:
    try:
        return read()
    except UnknownRequest:
        return None


class ChainEscrowWriter:
    """Sends as this enclave's signer, by the one sender that the process has for it."""

    def __init__(
        self,
        connection: Connection,
        deployment: Deployment,
        sender: TransactionSender,
        *,
        abandon: threading.Event,
    ) -> None:
        """`abandon` ends the wait for transactions that are sent."""
        self._escrow = Escrow(connection, deployment)
        self._sender = sender
        self._abandon = abandon

    def settle(self, answers: Sequence[Answered]) -> str:
        """Settles one or more requests; in a batch, those that have already ended are skipped."""
        ready = [
            SettlementParameters.from_signed(one.signed, one.receipts, one.answer)
            for one in answers
        ]
        if len(ready) == 1:
            return self._send(self._escrow.settle(ready[0]))
        return self._send(self._escrow.settle_batch(ready))

    def decline(self, request_ids: Sequence[RequestId], reason: DeclineReason) -> str:
        """Declines one or more requests; those that have already ended are skipped."""
        return self._send(self._escrow.decline(request_ids, reason))

    def refund(self, request_id: RequestId) -> str:
        """Refunds a request whose deadline has passed; the sender may be anyone."""
        return self._send(self._escrow.refund(request_id))

    def _send(self, call: Call) -> str:
        """Raises `Rejected`, `EtherIsShort`, `GasTooDear`, `NotConfirmed` and the connection's
        errors.
        """
        try:
            return self._sender.send(call, wait=self._wait).transaction_hash
        except ContractRejected as error:
            raise Rejected(action=call.what, reason=error.name) from None
        except InsufficientFunds as error:
            raise EtherIsShort(
                address=error.address, balance=error.balance, needed=error.needed
            ) from None
        except FeeAboveLimit as error:
            raise GasTooDear(needed=error.needed, limit=error.limit) from None
        except TransactionUnconfirmed as error:
            raise NotConfirmed(action=call.what, transaction=error.transaction_hash) from None

    def _wait(self, seconds: float) -> None:
        if self._abandon.wait(seconds):
            raise Stopped
