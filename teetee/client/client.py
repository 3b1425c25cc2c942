# SPDX-License-Identifier: Apache-2.0
"""`Client`: one wallet's requests at one escrow, from price to verification.

No prompt is sealed before every shard that could serve the request is checked. Nothing is sent
before the request's secret is on disk, sealed under the wallet's key.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from eth_account.signers.local import LocalAccount

from teetee.chain.logs import read_logs
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.requests import Request, RequestStatus
from teetee.client.contracts import Contracts
from teetee.client.errors import NotIncluded, NotPending
from teetee.client.requests.await_answer import (
    AnswerCallbacks,
    Answered,
    Outcome,
    await_answer,
)
from teetee.client.requests.entry_info import SealingKeys
from teetee.client.requests.offer import Notify, Offer, ignore_progress, prepare_offer
from teetee.client.requests.open_request import OpenRequest, Wallet, open_request
from teetee.client.requests.pending_requests import PendingRequest, PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.requests.wallet_turn import wallet_turn
from teetee.client.verification.attestation_lookup import AttestationLookup
from teetee.client.verification.enrolment_checks import QuoteChecker
from teetee.client.verification.report import VerificationReport
from teetee.client.verification.shard_check import OnShard, ShardCheck
from teetee.client.verification.verify_request import KnownEvents, verify_request
from teetee.protocol.identifiers import ModelId, RequestId
from teetee.protocol.request_secret import RequestContext, RequestSecret

POLL_SECONDS = 1.0


def _ignore(_: str) -> None:
    """The default for warnings."""


class Client:
    """Prices, opens, awaits and verifies requests.

    `quotes` checks shards' quotes before anything is sealed; None trusts the chain's own check.
    `verification_quotes` checks them in `verify`, which never trusts the chain alone.
    """

    def __init__(
        self,
        contracts: Contracts,
        account: LocalAccount,
        *,
        quotes: QuoteChecker | None,
        verification_quotes: QuoteChecker,
        pending: PendingRequests,
        poll_seconds: float = POLL_SECONDS,
        random_source: random.Random | None = None,
    ) -> None:
        self._contracts = contracts
        self._account = account
        self._verification_quotes = verification_quotes
        self._pending = pending
        self._poll_seconds = poll_seconds
        self._random_source = random_source or random.SystemRandom()
        turn = wallet_turn(
            contracts.deployment.chain_id, str(account.address), folder=pending.folder
        )
        connection = contracts.connection
        sender = TransactionSender(connection, account, poll_seconds=poll_seconds)
        self._wallet = Wallet(account, sender, turn)
        self._refunds = TransactionSender(connection, account, poll_seconds=poll_seconds, turn=turn)
        self._attestations = AttestationLookup(contracts)
        self._shard_check = ShardCheck(contracts, quotes, self._attestations)
        self._known: dict[int, KnownEvents] = {}
        self.sealing_keys = SealingKeys()
        """Of the entries that were asked so far."""

    def ask(
        self,
        spec: RequestSpec,
        *,
        on_text: Callable[[str], None] | None = None,
        on_warning: Notify = _ignore,
    ) -> Outcome:
        """Price, open and await a request. See the three methods for the errors."""
        opened = self.open_request(self.prepare_offer(spec, on_warning), on_warning)
        return self.await_answer(opened, on_text=on_text, on_warning=on_warning)

    def prepare_offer(
        self,
        spec: RequestSpec,
        on_warning: Notify = _ignore,
        on_shard: OnShard = ignore_progress,
    ) -> Offer:
        """Choose and check shards, and price the request. Nothing is sealed or sent."""
        return prepare_offer(
            spec,
            self._contracts,
            str(self._account.address),
            self._shard_check,
            self.sealing_keys,
            on_warning=on_warning,
            random_source=self._random_source,
            on_shard=on_shard,
        )

    def open_request(self, offer: Offer, on_warning: Notify = _ignore) -> OpenRequest:
        """Seal the prompt, pay the deposit, send the request."""
        return open_request(
            offer,
            self._contracts,
            self._wallet,
            self._pending,
            on_warning,
            self.sealing_keys,
        )

    def await_answer(
        self,
        opened: OpenRequest,
        *,
        on_text: Callable[[str], None] | None = None,
        on_warning: Notify = _ignore,
    ) -> Outcome:
        """Wait until the request has ended.

        The secret stays on disk until `forget`, so that a crash loses no answer.
        """
        callbacks = AnswerCallbacks(on_text, on_warning)
        outcome = await_answer(
            opened, self._contracts, self._refunds, callbacks, poll_seconds=self._poll_seconds
        )
        ended = outcome.settled if isinstance(outcome, Answered) else outcome.ended
        self._known[outcome.request_id] = KnownEvents(opened.event, ended)
        return outcome

    def forget(self, opened: OpenRequest) -> None:
        """Remove the request's secret from disk: the answer is read, or the money is back. Raises
        `FileNotWritten`.
        """
        self._pending.remove(opened.pending)

    def pending_requests(self) -> list[PendingRequest]:
        """List this wallet's requests that `forget` has not been called for, oldest first."""
        deployment = self._contracts.deployment
        return self._pending.all(deployment.chain_id, deployment.escrow, str(self._account.address))

    def resume(self, request_id: int) -> OpenRequest:
        """Continue a request of an earlier process.

        Raises `NotPending`, `UnknownRequest`, `PendingRequestUnreadable`, and the chain's errors.
        """
        for pending in self.pending_requests():
            if (pending.request_id or self.find_request_id(pending)) == request_id:
                return self._reopened(pending, request_id)
        raise NotPending(str(request_id), self._why_not_pending(request_id))

    def find_request_id(self, pending: PendingRequest) -> int | None:
        """Look up the id of a request whose transaction was not seen to be included.

        None: it was not included and no longer can be; its file is removed. Raises `NotIncluded`
        while it still can be.
        """
        connection = self._contracts.connection
        head = connection.head()
        # The escrow opens no request after its deadline.
        past = connection.first_block_at(pending.deadline + 1, not_before=pending.sent_after_block)
        logs = read_logs(
            connection,
            self._contracts.escrow.contract,
            "RequestOpened",
            first_block=pending.sent_after_block,
            last_block=head.number if past is None else past.number,
            requester=pending.requester,
        )
        for log in logs:
            if log.arguments["clientNonce"] == pending.client_nonce:
                return int(log.arguments["requestId"])
        if head.timestamp <= pending.deadline:
            raise NotIncluded(f"0x{pending.client_nonce.hex()}", pending.deadline)
        self._pending.remove(pending)
        return None

    def request(self, request_id: int) -> Request:
        """Read any request's state from the contract. Raises `UnknownRequest`."""
        return self._contracts.escrow.request_of(RequestId(request_id))

    def verify(self, request_id: int) -> VerificationReport:
        """Verify any request from the chain, by any requester."""
        return verify_request(
            RequestId(request_id),
            self._contracts,
            self._verification_quotes,
            attestations=self._attestations,
            known=self._known.get(request_id),
        )

    def _why_not_pending(self, request_id: int) -> str:
        """As a clause. Raises `UnknownRequest`."""
        request = self.request(request_id)
        if request.requester != str(self._account.address):
            return f"it is of another wallet, {request.requester}"
        if request.status is RequestStatus.OPEN:
            return "it was sent from another machine or folder, and only that one has its secret"
        return (
            f"it is {request.status.name.lower()}, and its secret was removed when the result was "
            "read, or is on another machine"
        )

    def _reopened(self, pending: PendingRequest, request_id: int) -> OpenRequest:
        context = RequestContext(
            chain_id=pending.chain_id,
            escrow=pending.escrow,
            requester=pending.requester,
            model_id=ModelId(pending.model_id),
            client_nonce=pending.client_nonce,
        )
        secret = RequestSecret(pending.secret(self._account))
        return OpenRequest(RequestId(request_id), context, secret, pending)
