# SPDX-License-Identifier: Apache-2.0
"""Sends calls: simulates, prices, signs, broadcasts, raises fees if needed, waits for confirmation.

Use one `TransactionSender` per account and process: it owns the account's nonces. It serializes
their allocation but not the waiting, so calls can be pending in parallel; `turn` keeps other
processes from the account in the meantime. `fee_policy` makes the decisions, `nonce_ledger` knows
what is in flight, and `broadcaster` talks to the node.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from teetee.chain.calldata import Call
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import WITHOUT_REASON, ContractRejected
from teetee.chain.errors import (
    FeeAboveLimit,
    InsufficientFunds,
    RpcRefused,
    RpcUnavailable,
    TransactionReplaced,
    TransactionUnconfirmed,
)
from teetee.chain.transactions.broadcaster import Answer, Broadcaster
from teetee.chain.transactions.events import OnSending, SendingEvent, SendingStep, ignore_event
from teetee.chain.transactions.fee_policy import (
    Confirmed,
    Fees,
    GiveUp,
    Resend,
    SendingPolicy,
    TransactionState,
    Wait,
    cap_fees,
    market_fees,
    next_action,
    raise_fees,
)
from teetee.chain.transactions.nonce_ledger import NonceLedger, SentTransaction
from teetee.chain.transactions.poll_pauses import poll_pauses

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3.types import LogReceipt, TxReceipt

_MAX_GAS_PER_TRANSACTION = 1 << 24
"""EIP-7825: transactions with a higher limit are never included."""
_EMPTY_GAS = 21_000
_MAX_OFFERS = 24
"""For one call: nonces that turn out to be used, and offers too low to replace another's."""

_MAX_FILLED = 8
"""Free nonces that get an empty transaction with one raise."""


@dataclass(frozen=True, slots=True)
class ConfirmedTransaction:
    """A transaction that succeeded and is confirmed."""

    transaction_hash: str
    block_number: int
    gas_used: int
    fee: int
    """Wei paid for execution; an L2 adds its L1 share."""
    logs: tuple[LogReceipt, ...] = field(repr=False)


class TransactionSender:
    """Sends from one account. Thread-safe; two processes that share an account need the same
    `turn`, which is held from the first read of a call to its confirmation.

    `send` raises `ContractRejected` (by simulation or by the chain), `InsufficientFunds`,
    `FeeAboveLimit`, `TransactionUnconfirmed`, `TransactionReplaced`, `RpcUnavailable`,
    `RpcRefused`, `WrongChain`.
    """

    def __init__(
        self,
        connection: Connection,
        account: LocalAccount,
        *,
        policy: SendingPolicy | None = None,
        is_sole_sender: bool = False,
        poll_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
        on_event: OnSending = ignore_event,
    ) -> None:
        """`is_sole_sender`: the account belongs to this process alone. It then replaces what an
        earlier process left pending, and offers its limit even if gas costs more at present.
        `poll_seconds`: the first pause between two looks for a transaction; later ones grow to
        four times as much.
        """
        self.address = str(account.address)
        self._connection = connection
        self._broadcaster = Broadcaster(connection, account)
        self._policy = policy or SendingPolicy()
        self._is_sole_sender = is_sole_sender
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._wait = wait
        self._turn = turn
        self._on_event = on_event
        self._lock = threading.Lock()
        self._ledger = NonceLedger()

    @property
    def in_flight(self) -> int:
        """Transactions that may still be included, those that were given up among them."""
        return len(self._ledger)

    def send(
        self, call: Call, *, wait: Callable[[float], None] | None = None
    ) -> ConfirmedTransaction:
        """Send one call and wait until it is confirmed. `wait` is used in place of the sender's;
        what it raises ends the wait, and the transaction counts as given up.
        """
        with self._turn():
            if call.value:  # nodes refuse to simulate it, each with words of its own
                self._require_ether(call.value)
            gas = self._gas(call)
            sent = self._submit(call, gas, self._first_fees())
            try:
                return self._await_confirmation(sent, wait or self._wait)
            finally:
                self._give_up(sent)  # unless it has ended

    # ------------------------------------------------------------ before sending

    def _gas(self, call: Call) -> int:
        """The estimate is also the simulation: a call that would be refused has none."""
        try:
            estimate = self._connection.estimate_gas(call, self.address)
        except ContractRejected as rejected:
            if not rejected.is_unexplained:
                raise
            self._connection.simulate(call, self.address)  # some nodes give reasons only here
            raise
        with_margin = estimate + estimate * self._policy.gas_margin_percent // 100
        return min(with_margin, max(estimate, _MAX_GAS_PER_TRANSACTION))

    def _market_fees(self) -> Fees:
        return market_fees(*self._connection.base_fee_and_tip())

    def _first_fees(self) -> Fees:
        market = self._market_fees()
        # Half of a market offer still covers the next block's base fee.
        is_too_dear = market.max_fee // 2 > self._policy.max_fee_per_gas
        if is_too_dear and not self._is_sole_sender:
            raise FeeAboveLimit(market.max_fee, self._policy.max_fee_per_gas)
        return cap_fees(market, self._policy.max_fee_per_gas)

    def _require_funds(self, call: Call, gas: int, fees: Fees) -> None:
        self._require_ether(self._ledger.reserved + gas * fees.max_fee + call.value)

    def _require_ether(self, needed: int) -> None:
        balance = self._connection.ether_of(self.address)
        if balance < needed:
            raise InsufficientFunds(needed, balance, self.address)

    # ------------------------------------------------------------ sending

    def _submit(self, call: Call, gas: int, fees: Fees) -> SentTransaction:
        """Give the call a nonce and broadcast it; the nonce is used only if a node accepts it. The
        same call that was given up before is waited for again.
        """
        with self._lock:
            first = self._first_free_nonce()
            given_up = self._ledger.find_given_up(call)
            if given_up is not None and self._resume(given_up):
                return given_up
            self._require_funds(call, gas, fees)
            sent = self._offer(call, gas, fees, first)
            self._ledger.record(sent)
        self._report(SendingStep.SENT, sent)
        return sent

    def _first_free_nonce(self) -> int:
        if self._is_sole_sender:
            included = self._connection.included_count(self.address)
            for sent in self._ledger.given_up():
                if sent.nonce < included:
                    self._ledger.remove(sent)
            return included
        count = self._connection.transaction_count(self.address)
        # The node may not know our pending transactions. Without any, its count is right: a dropped
        # transaction must not leave a gap that blocks all later ones.
        return max(count, self._ledger.after_highest())

    def _resume(self, sent: SentTransaction) -> bool:
        """Send it again: the node may have dropped it. False if its nonce is used otherwise."""
        if self._send_version(sent, sent.fees) is Answer.NONCE_USED:
            self._ledger.remove(sent)
            return False
        sent.is_given_up = False
        sent.first_sent = self._clock()
        return True

    def _offer(self, call: Call, gas: int, fees: Fees, first: int) -> SentTransaction:
        """Send the call with the first nonce that the node accepts for it."""
        nonces = self._ledger.candidates(first)
        nonce, offer = next(nonces), fees
        for _ in range(_MAX_OFFERS):
            now, former = self._clock(), self._ledger.at(nonce)
            if former is not None:
                offer = self._raised(former, fees) or offer
            sent = SentTransaction(call, nonce, gas, offer, now, now)
            answer = self._broadcaster.send(sent)
            if answer is Answer.ACCEPTED:
                return sent
            if answer is Answer.NONCE_USED and former is not None:
                self._ledger.remove(former)  # it was included after all
            higher = self._outbid(sent) if answer is Answer.UNDERPRICED and not former else None
            if higher is None:
                # Another process used this account, the node lags behind, or a transaction that
                # was given up offers the limit already.
                nonce, offer = next(nonces), fees
            else:
                offer = higher
        raise RpcRefused("eth_sendRawTransaction", 0, f"{_MAX_OFFERS} offers were refused")

    def _outbid(self, sent: SentTransaction) -> Fees | None:
        """Twice as much, for a nonce that an earlier process of this account left pending."""
        if not self._is_sole_sender:
            return None
        twice = Fees(2 * sent.fees.max_fee, 2 * sent.fees.tip)
        return raise_fees(sent.fees, twice, self._policy)

    def _raised(self, sent: SentTransaction, market: Fees) -> Fees | None:
        limit = self._affordable_fee(sent)
        return raise_fees(sent.fees, market, self._policy, limit=limit)

    def _affordable_fee(self, sent: SentTransaction) -> int:
        """Wei per gas that the balance allows, beside all other transactions in flight."""
        balance = self._connection.ether_of(self.address)
        others = self._ledger.reserved - sent.max_cost
        return max(0, balance - others - sent.call.value) // sent.gas

    # ------------------------------------------------------------ waiting

    def _await_confirmation(
        self, sent: SentTransaction, wait: Callable[[float], None]
    ) -> ConfirmedTransaction:
        pauses = poll_pauses(self._poll_seconds, 4 * self._poll_seconds)
        while True:
            try:
                with self._connection.single_attempts():
                    receipt = self._broadcaster.receipt(sent)
                    action = next_action(self._state(sent, receipt), self._policy)
                    if isinstance(action, Confirmed) and receipt is not None:
                        return self._confirmed(sent, receipt)
                    if isinstance(action, Resend):
                        self._resend(sent, action.fees)
            except RpcUnavailable:  # it was sent: a node that answers again shows if it is included
                waited = self._clock() - sent.first_sent
                action = GiveUp() if waited >= self._policy.give_up_after_seconds else Wait()
            if isinstance(action, GiveUp):
                raise TransactionUnconfirmed(
                    sent.hashes[-1], sent.nonce, self._policy.give_up_after_seconds
                )
            wait(next(pauses))

    def _state(self, sent: SentTransaction, receipt: TxReceipt | None) -> TransactionState:
        """Asks the node for what matters at this point alone."""
        now = self._clock()
        since_last = now - sent.last_sent
        may_resend = receipt is None and since_last >= self._policy.resend_after_seconds
        included_at = None if receipt is None else int(receipt["blockNumber"])
        head = included_at or 0
        if included_at is not None and self._policy.confirmations > 1:
            head = self._connection.head().number
        return TransactionState(
            seconds_since_first=now - sent.first_sent,
            seconds_since_last=since_last,
            offered=sent.fees,
            market=self._market_fees() if may_resend else sent.fees,
            included_at=included_at,
            head=head,
            limit=self._affordable_fee(sent) if may_resend else None,
        )

    def _resend(self, sent: SentTransaction, fees: Fees) -> None:
        """Replace it, and what blocks it; or send it again, if the fees are the same. Raises
        `TransactionReplaced`.
        """
        with self._lock:
            if self._is_sole_sender:
                self._fill_gaps(sent.nonce)
            for blocking in self._ledger.given_up(below=sent.nonce):
                self._raise_given_up(blocking, fees)
            answer = self._send_version(sent, fees)
        # If the nonce is used by one of our versions, the next look finds its receipt.
        if answer is Answer.NONCE_USED and self._broadcaster.receipt(sent) is None:
            self._end(sent, SendingStep.REPLACED)
            raise TransactionReplaced(sent.hashes[-1], sent.nonce)

    def _fill_gaps(self, below: int) -> None:
        """Give nonces that no transaction has to empty ones, which the next call may replace: a
        reorganisation can drop transactions that had ended, and fewer are needed to repeat them.
        The market's fees do not replace one that the node has kept.

        Fills a few, those that block first, so that the lock is not held for long. A failure is
        tried again with the next raise, and delays none.
        """
        with suppress(RpcUnavailable, FeeAboveLimit):
            first = self._connection.included_count(self.address)
            free = (nonce for nonce in range(first, below) if self._ledger.at(nonce) is None)
            if filled := list(islice(free, _MAX_FILLED)):
                fees = self._first_fees()
                for nonce in filled:
                    self._fill_gap(nonce, fees)

    def _fill_gap(self, nonce: int, fees: Fees) -> None:
        now, call = self._clock(), Call(self.address, b"", "fill")
        empty = SentTransaction(call, nonce, _EMPTY_GAS, fees, now, now, is_given_up=True)
        with suppress(RpcRefused, InsufficientFunds, FeeAboveLimit):
            if self._broadcaster.send(empty) is Answer.ACCEPTED:
                self._ledger.record(empty)

    def _raise_given_up(self, sent: SentTransaction, market: Fees) -> None:
        """For the sake of later transactions, which the account's nonces hold back."""
        if self._clock() - sent.last_sent < self._policy.resend_after_seconds:
            return
        fees = self._raised(sent, market) or sent.fees
        if self._send_version(sent, fees) is Answer.NONCE_USED:
            self._ledger.remove(sent)

    def _send_version(self, sent: SentTransaction, fees: Fees) -> Answer:
        former, sent.fees, sent.last_sent = sent.fees, fees, self._clock()
        answer = Answer.UNDERPRICED
        # The version before is still pending: a refusal changes nothing.
        with suppress(RpcRefused, InsufficientFunds, FeeAboveLimit):
            answer = self._broadcaster.send(sent)
        if answer is Answer.UNDERPRICED:
            sent.fees = former
        elif fees != former:
            self._report(SendingStep.RAISED, sent)
        return answer

    # ------------------------------------------------------------ the end

    def _confirmed(self, sent: SentTransaction, receipt: TxReceipt) -> ConfirmedTransaction:
        gas_used = int(receipt["gasUsed"])
        fee = gas_used * int(receipt["effectiveGasPrice"])
        if receipt["status"] != 1:
            self._end(sent, SendingStep.REVERTED, gas_used, fee)
            # Replayed on its own block's state, which includes the transaction that won the race.
            self._connection.simulate(
                sent.call, self.address, at=self._connection.block(int(receipt["blockNumber"]))
            )
            raise ContractRejected(WITHOUT_REASON, {"gasUsed": gas_used})
        self._end(sent, SendingStep.CONFIRMED, gas_used, fee)
        return ConfirmedTransaction(
            transaction_hash="0x" + bytes(receipt["transactionHash"]).hex(),
            block_number=int(receipt["blockNumber"]),
            gas_used=gas_used,
            fee=fee,
            logs=tuple(receipt["logs"]),
        )

    def _end(
        self, sent: SentTransaction, step: SendingStep, gas_used: int = 0, fee: int = 0
    ) -> None:
        with self._lock:
            self._ledger.remove(sent)
        self._report(step, sent, gas_used, fee)

    def _give_up(self, sent: SentTransaction) -> None:
        with self._lock:
            sent.is_given_up = self._ledger.at(sent.nonce) is sent
        if sent.is_given_up:
            self._report(SendingStep.GIVEN_UP, sent)

    def _report(
        self, step: SendingStep, sent: SentTransaction, gas_used: int = 0, fee: int = 0
    ) -> None:
        event = SendingEvent(step, sent.call.what, sent.nonce, sent.fees, gas_used, fee)
        self._on_event(event)
