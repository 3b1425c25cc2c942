# SPDX-License-Identifier: Apache-2.0
"""Seals the prompt, pays, and sends the request. The secret is on disk, sealed, before anything is
sent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from eth_account.signers.local import LocalAccount

from teetee.chain.calldata import Call
from teetee.chain.contract_errors import ContractRejected
from teetee.chain.errors import FeeAboveLimit, InsufficientFunds, TransactionUnconfirmed
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.chain.types.requests import RequestOpened, RequestParameters
from teetee.chain.types.shards import Shard
from teetee.client.contracts import Contracts
from teetee.client.errors import NotOpened
from teetee.client.requests.entry_info import SealingKeys
from teetee.client.requests.offer import Notify, Offer, payable_credit
from teetee.client.requests.pending_requests import PendingRequest, PendingRequests
from teetee.client.wallet_file_errors import FileNotWritten
from teetee.protocol.envelope import seal_prompt
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.request_secret import RequestContext, RequestSecret
from teetee.protocol.sealing.key import SealingPublicKey

NONCE_BYTES = 32
_NOT_SENT = (ContractRejected, InsufficientFunds, FeeAboveLimit)
"""Not sent, or reverted: no request was opened."""
LOST_RACES = frozenset({"TokenAllowanceTooLow"})
PAUSES_AFTER_RACES = (0.5, 2.0, 4.0)
"""Seconds: a node may lag a block behind the one that decided the race."""


@dataclass(frozen=True)
class OpenRequest:
    """A request on the chain, with what only its requester knows."""

    request_id: RequestId
    context: RequestContext
    secret: RequestSecret = field(repr=False)
    pending: PendingRequest = field(repr=False)
    sent: ConfirmedTransaction | None = None
    """The transaction; None if an earlier process sent it."""
    event: RequestOpened | None = None
    """Its event; None likewise."""
    recipients: tuple[Shard, ...] = ()
    """The recipients as they were read; empty likewise."""


@dataclass(frozen=True)
class Wallet:
    """What pays for requests."""

    account: LocalAccount
    sender: TransactionSender
    turn: Callable[[], AbstractContextManager[None]]
    """Held while a payment is made: see `wallet_turn`."""


def open_request(
    offer: Offer,
    contracts: Contracts,
    wallet: Wallet,
    pending_requests: PendingRequests,
    on_warning: Notify,
    sealing_keys: SealingKeys,
) -> OpenRequest:
    """Seal, pay, send, and wait for the block.

    Raises what `fetch_sealing_key` raises, `FileNotWritten` and `WalletBusy` before anything is
    sent, `NotOpened`, and the chain's errors. The pending request stays on disk whenever the
    transaction may have been sent, and then every error has a note that says so.
    """
    started = time.monotonic()
    recipients = sealing_keys.of(offer.recipients)
    with wallet.turn():
        # The deadline counts from the payment, not from the time when wallet or entry were busy.
        waited = int(time.monotonic() - started)
        offer = replace(offer, deadline=offer.deadline + waited)
        context = _context(offer, contracts, wallet)
        secret = RequestSecret.fresh()
        parameters = _parameters(offer, context, secret, recipients)
        payment = partial(_payment, offer, parameters, contracts, wallet.account)
        call = payment()
        pending = _pending_request(offer, context, secret, wallet.account)
        _store(pending, pending_requests)
        sent, opened = _send(call, payment, contracts, wallet, pending, pending_requests)
    pending = replace(pending, transaction=sent.transaction_hash, request_id=int(opened.request_id))
    _note_number(pending, pending_requests, on_warning)
    return OpenRequest(
        opened.request_id, context, secret, pending, sent, opened, tuple(offer.recipients)
    )


def _context(offer: Offer, contracts: Contracts, wallet: Wallet) -> RequestContext:
    return RequestContext(
        chain_id=contracts.deployment.chain_id,
        escrow=contracts.deployment.escrow,
        requester=str(wallet.account.address),
        model_id=offer.model.model_id,
        client_nonce=os.urandom(NONCE_BYTES),
    )


def _parameters(
    offer: Offer,
    context: RequestContext,
    secret: RequestSecret,
    recipients: Sequence[tuple[ShardId, SealingPublicKey]],
) -> RequestParameters:
    terms = offer.terms
    return RequestParameters(
        model_id=offer.model.model_id,
        recipients=tuple(shard.shard_id for shard in offer.recipients),
        max_input_tokens=terms.caps.input_tokens,
        max_output_tokens=terms.caps.output_tokens,
        max_deposit=terms.deposit,
        deadline=offer.deadline,
        client_nonce=context.client_nonce,
        envelope=seal_prompt(terms.prompt, secret, context, recipients),
    )


def _payment(
    offer: Offer, parameters: RequestParameters, contracts: Contracts, account: LocalAccount
) -> Call:
    """Pay from the credit first; then by the token allowance if it suffices, else by a permit in
    the same transaction. Reads all three first.
    """
    escrow, token = contracts.escrow, contracts.token
    if offer.spec.allowance_shard is not None:
        return escrow.request_on_allowance(parameters, ShardId(offer.spec.allowance_shard))
    spender, address = contracts.deployment.escrow, str(account.address)
    batch = contracts.connection.batch()
    credit = escrow.account_in(batch, address)
    allowance = token.allowance_in(batch, address, spender)
    terms = token.permit_terms_in(batch, address)
    missing = max(0, offer.terms.deposit - payable_credit(credit()))
    if allowance() >= missing:
        return escrow.request(parameters)
    permit = token.sign_permit_on(
        terms(), account, spender=spender, value=missing, deadline=offer.deadline
    )
    return escrow.request_with_permit(parameters, permit)


def _pending_request(
    offer: Offer, context: RequestContext, secret: RequestSecret, account: LocalAccount
) -> PendingRequest:
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
    return bare.sealed(account, secret.value)


def _store(pending: PendingRequest, pending_requests: PendingRequests) -> None:
    try:
        pending_requests.add(pending)
    except FileNotWritten as error:
        error.add_note("Nothing was sent or paid.")
        raise


def _note_number(
    pending: PendingRequest, pending_requests: PendingRequests, on_warning: Notify
) -> None:
    try:
        pending_requests.update(pending)
    except FileNotWritten as error:  # the file has the secret: the chain tells the number again
        on_warning(f"Request {pending.request_id} is paid, but its number cannot be noted: {error}")


def _send(
    call: Call,
    payment: Callable[[], Call],
    contracts: Contracts,
    wallet: Wallet,
    pending: PendingRequest,
    pending_requests: PendingRequests,
) -> tuple[ConfirmedTransaction, RequestOpened]:
    try:
        sent = _pay(call, payment, wallet.sender)
        opened = contracts.history.opened_in(sent.logs)
        if opened is None:
            raise NotOpened(sent.transaction_hash)
    except _NOT_SENT:
        with suppress(FileNotWritten):
            pending_requests.remove(pending)
        raise
    except BaseException as error:
        if isinstance(error, TransactionUnconfirmed):
            with suppress(FileNotWritten):
                pending_requests.update(replace(pending, transaction=error.transaction_hash))
        error.add_note("If the question was sent, it is paid: `teetee resume` lists it.")
        raise
    return sent, opened


def _pay(
    call: Call, payment: Callable[[], Call], sender: TransactionSender
) -> ConfirmedTransaction:
    """Send; and again with a fresh permit, if another machine used the wallet's permit nonce or
    credit in the meantime: a refused transaction has opened no request.
    """
    for pause in PAUSES_AFTER_RACES:
        try:
            return sender.send(call)
        except ContractRejected as error:
            if error.name not in LOST_RACES:
                raise
        time.sleep(pause)
        call = payment()
    return sender.send(call)
