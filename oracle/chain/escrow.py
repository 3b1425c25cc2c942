# SPDX-License-Identifier: Apache-2.0
"""The escrow: implements `EscrowReader` and `EscrowWriter` over `teetee.chain`."""

import threading
from collections.abc import Sequence

from eth_account.signers.local import LocalAccount

from oracle.errors import EtherIsShort, NotConfirmed, Rejected, Stopped
from oracle.records import Answered, Opening
from teetee.chain.calldata import Call
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import ContractRejected, UnknownRequest
from teetee.chain.contracts.escrow import Escrow
from teetee.chain.contracts.escrow_history import EscrowHistory
from teetee.chain.deployment import Deployment
from teetee.chain.errors import InsufficientFunds, LogMissing, TransactionUnconfirmed
from teetee.chain.transactions.fee_policy import SendingPolicy
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import DeclineReason, Request, RequestSettled
from teetee.chain.types.settlements import SettlementParameters
from teetee.protocol.identifiers import RequestId


class ChainEscrowReader:
    """Reads requests."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._deployment = deployment
        self._escrow = Escrow(connection, deployment)
        self._history = EscrowHistory(connection, deployment, self._escrow)

    def request_count(self, *, at: Block) -> RequestId:
        """The highest id, or 0 when there is no request."""
        return RequestId(self._escrow.request_count(at))

    def open_requests(
        self, *, after: RequestId, limit: int, at: Block
    ) -> tuple[Sequence[RequestId], RequestId | None]:
        """The open ones among the next `limit` ids, and the id that the next page follows."""
        found, following = self._escrow.open_page(after, limit, at)
        return found, RequestId(following) if following else None

    def request(self, request_id: RequestId, *, at: Block) -> Request | None:
        """The request, or None when it does not exist at that block."""
        try:
            return self._escrow.request_of(request_id, at)
        except UnknownRequest:
            return None

    def opening(self, request: Request, *, at: Block) -> Opening | None:
        """The request's RequestOpened event, or None when the node has none up to that block."""
        opened = self._history.opened(request)
        if opened.block_number > at.number:
            return None
        return Opening(
            request=request,
            chain_id=self._deployment.chain_id,
            escrow=self._deployment.escrow,
            client_nonce=opened.client_nonce,
            envelope=opened.envelope,
        )

    def settled(self, request: Request) -> RequestSettled:
        """The RequestSettled event of a settled request. Raises `LogMissing`."""
        ended = self._history.ended(request)
        if not isinstance(ended, RequestSettled):
            raise LogMissing("RequestSettled", self._deployment.deployed_at_block)
        return ended


class ChainEscrowWriter:
    """Sends as this enclave's signer: one account for all calls."""

    def __init__(
        self,
        connection: Connection,
        deployment: Deployment,
        signer: LocalAccount,
        *,
        confirm_seconds: float,
        poll_seconds: float,
        abandon: threading.Event,
    ) -> None:
        """`confirm_seconds`: how long a call waits for its transaction; `abandon` ends the wait."""
        self._escrow = Escrow(connection, deployment)

        def wait(seconds: float) -> None:
            if abandon.wait(seconds):
                raise Stopped

        self._sender = TransactionSender(
            connection,
            signer,
            policy=SendingPolicy(give_up_after_seconds=confirm_seconds),
            poll_seconds=poll_seconds,
            wait=wait,
        )

    def settle(self, answers: Sequence[Answered]) -> str:
        """Settles one or more requests; in a batch, those that have already ended are skipped."""
        ready = [
            SettlementParameters.from_signed(one.signed, one.receipts, one.answer)
            for one in answers
        ]
        if len(ready) == 1:
            return self._send(self._escrow.settle(ready[0]))
        return self._send(self._escrow.settle_batch(ready))

    def decline(self, request_id: RequestId, reason: DeclineReason) -> str:
        """Declines a request; the sender must be a recipient."""
        return self._send(self._escrow.decline(request_id, reason))

    def refund(self, request_id: RequestId) -> str:
        """Refunds a request whose deadline has passed; the sender may be anyone."""
        return self._send(self._escrow.refund(request_id))

    def _send(self, call: Call) -> str:
        """Raises `Rejected`, `EtherIsShort`, `NotConfirmed` and the connection's errors."""
        try:
            return self._sender.send(call).transaction_hash
        except ContractRejected as error:
            raise Rejected(action=call.what, reason=error.name) from None
        except InsufficientFunds as error:
            raise EtherIsShort(
                address=error.address, balance=error.balance, needed=error.needed
            ) from None
        except TransactionUnconfirmed as error:
            raise NotConfirmed(action=call.what, transaction=error.transaction_hash) from None
