# SPDX-License-Identifier: Apache-2.0
"""`Client`: the wallet's whole life with requests, for commands and for programs.

    client = Client(contracts, account, quotes=QuoteCheck(…), pending=PendingRequests())
    outcome = client.ask(Question("Why is the sky blue?"))
    report = client.verify(outcome.request_id)

Nothing is sealed before every shard that could serve the request was checked; nothing is sent
before the request's secret is on disk, sealed under the wallet's key.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from eth_account.signers.local import LocalAccount

from teetee.chain.logs import read_logs
from teetee.chain.transactions.sender import Sender
from teetee.chain.types.requests import Request
from teetee.client.contracts import Contracts
from teetee.client.errors import NotIncluded, NotPending
from teetee.client.requests.await_answer import Listener, Outcome, Waiter
from teetee.client.requests.open_request import Opener, OpenRequest
from teetee.client.requests.pending_requests import PendingRequest, PendingRequests
from teetee.client.requests.quote_price import Notify, Offer, Offers
from teetee.client.requests.request_spec import Question
from teetee.client.verification.enrolments import QuoteChecker
from teetee.client.verification.report import AuditReport
from teetee.client.verification.shard_check import ShardCheck
from teetee.client.verification.verifier import Auditor
from teetee.protocol.identifiers import ModelId, RequestId
from teetee.protocol.request_secret import RequestContext, RequestSecret

POLL_SECONDS = 1.0


def _silent(_: str) -> None:
    """Nobody listens."""


class Client:
    """One wallet at one escrow.

    `quotes` judges shards' quotes before anything is sealed, None trusts the chain's own check.
    `verify` always needs a judge: `auditor` says which.
    """

    def __init__(
        self,
        contracts: Contracts,
        account: LocalAccount,
        *,
        quotes: QuoteChecker | None,
        audit_quotes: QuoteChecker,
        pending: PendingRequests,
        poll_seconds: float = POLL_SECONDS,
        chance: random.Random | None = None,
    ) -> None:
        self._contracts = contracts
        self._account = account
        self._pending = pending
        self._auditor = Auditor(contracts, audit_quotes)
        sender = Sender(contracts.connection, account, poll_seconds=poll_seconds)
        check = ShardCheck(contracts, quotes)
        chance = chance or random.SystemRandom()
        self._offers = Offers(contracts, check, str(account.address), chance)
        self._opener = Opener(contracts, account, sender, pending)
        self._waiter = Waiter(contracts, sender, poll_seconds=poll_seconds)

    def ask(
        self,
        question: Question,
        *,
        on_text: Callable[[str], None] | None = None,
        on_warning: Notify = _silent,
    ) -> Outcome:
        """Prepare, open, wait. See there for the errors."""
        opened = self.open(self.prepare(question, on_warning))
        return self.wait(opened, on_text=on_text, on_warning=on_warning)

    def prepare(self, question: Question, on_warning: Notify = _silent) -> Offer:
        """Choose, check and price; nothing is sealed or sent."""
        return self._offers.make(question, on_warning)

    def open(self, offer: Offer) -> OpenRequest:
        """Seal, pay, send."""
        return self._opener.open(offer)

    def wait(
        self,
        opened: OpenRequest,
        *,
        on_text: Callable[[str], None] | None = None,
        on_warning: Notify = _silent,
    ) -> Outcome:
        """Until it has ended. The secret's file stays until `finish`, so that an answer cannot get
        lost on its way.
        """
        return self._waiter.wait(opened, Listener(on_text, on_warning))

    def finish(self, opened: OpenRequest) -> None:
        """The answer was read, or the money is back: forget the secret."""
        self._pending.remove(opened.pending)

    def unfinished(self) -> list[PendingRequest]:
        """This wallet's requests here whose answer was not read yet, oldest first."""
        deployment = self._contracts.deployment
        return self._pending.all(deployment.chain_id, deployment.escrow, str(self._account.address))

    def resume(self, request_id: int) -> OpenRequest:
        """Go on with a request of an earlier run.

        Raises `NotPending`, `PendingRequestUnreadable`, and the chain's errors.
        """
        for pending in self.unfinished():
            if (pending.request_id or self.locate(pending)) == request_id:
                return self._reopened(pending, request_id)
        raise NotPending(str(request_id))

    def locate(self, pending: PendingRequest) -> int | None:
        """The id of a request whose transaction the last run did not see included.

        None: it was never included and cannot be any more; its file is removed. Raises
        `NotIncluded` while it still can.
        """
        head = self._contracts.connection.head()
        logs = read_logs(
            self._contracts.connection,
            self._contracts.escrow.contract,
            "RequestOpened",
            first_block=pending.sent_after_block,
            last_block=head.number,
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
        """Any request, by contract state. Raises `UnknownRequest`."""
        return self._contracts.escrow.request_of(RequestId(request_id))

    def verify(self, request_id: int) -> AuditReport:
        """Audit any request, whoever asked it."""
        return self._auditor.audit(RequestId(request_id))

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
