# SPDX-License-Identifier: Apache-2.0
"""Seals the prompt, pays, and sends the request; the secret is on disk, sealed, before anything
leaves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from eth_account.signers.local import LocalAccount

from teetee.chain.calldata import Call
from teetee.chain.contract_errors import ContractRejected
from teetee.chain.errors import FeeAboveLimit, InsufficientFunds, TransactionUnconfirmed
from teetee.chain.transactions.sender import Sender, Sent
from teetee.chain.types.requests import RequestParameters
from teetee.client.contracts import Contracts
from teetee.client.errors import NotOpened
from teetee.client.requests.pending_requests import PendingRequest, PendingRequests
from teetee.client.requests.quote_price import Offer
from teetee.protocol.envelope import seal_prompt
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.request_secret import RequestContext, RequestSecret

NONCE_BYTES = 32


@dataclass(frozen=True)
class OpenRequest:
    """A request on the chain, and what its requester alone knows of it."""

    request_id: RequestId
    context: RequestContext
    secret: RequestSecret = field(repr=False)
    pending: PendingRequest = field(repr=False)
    sent: Sent | None = None
    """The transaction; None when it was sent by an earlier run."""


class Opener:
    """Opens requests of one wallet."""

    def __init__(
        self,
        contracts: Contracts,
        account: LocalAccount,
        sender: Sender,
        pending: PendingRequests,
    ) -> None:
        self._contracts = contracts
        self._account = account
        self._sender = sender
        self._pending = pending

    def open(self, offer: Offer) -> OpenRequest:
        """Raises the chain's errors; whenever the request may have been sent, its file stays."""
        deployment = self._contracts.deployment
        context = RequestContext(
            chain_id=deployment.chain_id,
            escrow=deployment.escrow,
            requester=str(self._account.address),
            model_id=offer.model.model_id,
            client_nonce=os.urandom(NONCE_BYTES),
        )
        secret = RequestSecret.fresh()
        parameters = _parameters(offer, context, secret)
        call = self._payment(offer, parameters)
        pending = self._keep(offer, context, secret)
        sent = self._send(call, pending)
        opened = self._contracts.history.opened_in(sent.logs)
        if opened is None:
            raise NotOpened(sent.transaction_hash)
        pending = replace(
            pending, transaction=sent.transaction_hash, request_id=int(opened.request_id)
        )
        self._pending.update(pending)
        return OpenRequest(opened.request_id, context, secret, pending, sent)

    def _payment(self, offer: Offer, parameters: RequestParameters) -> Call:
        """Credit first; then the token allowance if it suffices, else a permit in the same
        transaction.
        """
        escrow, token = self._contracts.escrow, self._contracts.token
        if offer.question.allowance_shard is not None:
            return escrow.request_on_allowance(parameters, ShardId(offer.question.allowance_shard))
        missing = max(0, offer.deposit - offer.credit)
        address = self._contracts.deployment.escrow
        if token.allowance(str(self._account.address), address) >= missing:
            return escrow.request(parameters)
        permit = token.sign_permit(
            self._account, spender=address, value=missing, deadline=offer.deadline
        )
        return escrow.request_with_permit(parameters, permit)

    def _keep(self, offer: Offer, context: RequestContext, secret: RequestSecret) -> PendingRequest:
        bare = PendingRequest(
            chain_id=context.chain_id,
            escrow=context.escrow,
            requester=context.requester,
            model_id=context.model_id,
            client_nonce=context.client_nonce,
            sent_after_block=offer.at.number,
            deadline=offer.deadline,
            sealed_secret=b"",
        )
        pending = bare.sealed(self._account, secret.value)
        self._pending.add(pending)
        return pending

    def _send(self, call: Call, pending: PendingRequest) -> Sent:
        try:
            return self._sender.send(call)
        except TransactionUnconfirmed as error:
            self._pending.update(replace(pending, transaction=error.transaction_hash))
            raise
        except (ContractRejected, InsufficientFunds, FeeAboveLimit):
            self._pending.remove(pending)  # it was not sent, or it opened nothing
            raise


def _parameters(offer: Offer, context: RequestContext, secret: RequestSecret) -> RequestParameters:
    recipients = [(shard.shard_id, shard.keyset.kem) for shard in offer.recipients]
    return RequestParameters(
        model_id=offer.model.model_id,
        recipients=tuple(shard.shard_id for shard in offer.recipients),
        max_input_tokens=offer.caps.input_tokens,
        max_output_tokens=offer.caps.output_tokens,
        max_deposit=offer.deposit,
        deadline=offer.deadline,
        client_nonce=context.client_nonce,
        envelope=seal_prompt(offer.prompt, secret, context, recipients),
    )
