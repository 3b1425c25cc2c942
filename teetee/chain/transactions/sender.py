# SPDX-License-Identifier: Apache-2.0
"""Sends calls: simulates, prices, signs, broadcasts, raises fees if needed, waits for confirmation.

Use one `TransactionSender` per account and process. It serializes the allocation of nonces but not
the waiting, so calls can be pending in parallel; `turn` keeps other processes from the account in
the meantime. `fee_policy` makes the decisions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from teetee.chain.calldata import Call
from teetee.chain.connection import (
    Connection,
    code_and_message,
    transaction_of,
    translate_errors,
)
from teetee.chain.contract_errors import WITHOUT_REASON, ContractRejected
from teetee.chain.errors import (
    BlockUnknown,
    FeeAboveLimit,
    InsufficientFunds,
    RpcRefused,
    RpcUnavailable,
    TransactionUnconfirmed,
)
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
)
from teetee.chain.transactions.poll_pauses import poll_pauses

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3.exceptions import Web3RPCError
    from web3.types import LogReceipt, TxReceipt

_ALREADY_KNOWN_WORDS = ("already known", "already imported", "known transaction")
_NONCE_USED_WORDS = (
    "nonce too low",
    "replacement transaction underpriced",
    "nonce has already been used",
)
_INSUFFICIENT_FUNDS_WORDS = ("insufficient funds",)
_MAX_GAS_PER_TRANSACTION = 1 << 24
"""EIP-7825: transactions with a higher limit are never included."""
_MAX_NONCES_TRIED = 5


@dataclass(frozen=True, slots=True)
class ConfirmedTransaction:
    """A transaction that succeeded and is confirmed."""

    transaction_hash: str
    block_number: int
    gas_used: int
    fee: int
    """Wei paid for execution; an L2 adds its L1 share."""
    logs: tuple[LogReceipt, ...] = field(repr=False)


@dataclass
class _PendingTransaction:
    """A transaction and all its versions, each of which can be the one that is included."""

    call: Call
    nonce: int
    gas: int
    fees: Fees
    first_sent: float
    last_sent: float
    hashes: list[str] = field(default_factory=list)


class TransactionSender:
    """Sends from one account. Thread-safe; two processes that share an account need the same
    `turn`, which is held from the first read of a call to its confirmation.

    `send` raises `ContractRejected` (by simulation or by the chain), `InsufficientFunds`,
    `FeeAboveLimit`, `TransactionUnconfirmed`, `RpcUnavailable`, `RpcRefused`, `WrongChain`.
    """

    def __init__(
        self,
        connection: Connection,
        account: LocalAccount,
        *,
        policy: SendingPolicy | None = None,
        poll_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`poll_seconds`: the first pause between two looks for a transaction; later ones grow to
        four times as much.
        """
        self.address = str(account.address)
        self._connection = connection
        self._account = account
        self._policy = policy or SendingPolicy()
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._wait = wait
        self._turn = turn
        self._lock = threading.Lock()
        self._next_nonce = 0
        self._pending_count = 0

    def send(self, call: Call) -> ConfirmedTransaction:
        """Send one call and wait until it is confirmed."""
        with self._turn():
            if call.value:  # nodes refuse to simulate it, each with words of its own
                self._require_ether(call.value)
            gas = self._gas(call)
            fees = self._affordable_fees()
            self._require_funds(call, gas, fees)
            pending = self._submit(call, gas, fees)
            try:
                return self._await_confirmation(pending)
            finally:
                with self._lock:
                    self._pending_count -= 1

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

    def _affordable_fees(self) -> Fees:
        market = self._market_fees()
        # Half of a market offer still covers the next block's base fee.
        if market.max_fee // 2 > self._policy.max_fee_per_gas:
            raise FeeAboveLimit(market.max_fee, self._policy.max_fee_per_gas)
        return cap_fees(market, self._policy.max_fee_per_gas)

    def _require_funds(self, call: Call, gas: int, fees: Fees) -> None:
        self._require_ether(gas * fees.max_fee + call.value)

    def _require_ether(self, needed: int) -> None:
        balance = self._connection.ether_of(self.address)
        if balance < needed:
            raise InsufficientFunds(needed, balance, self.address)

    # ------------------------------------------------------------ sending

    def _submit(self, call: Call, gas: int, fees: Fees) -> _PendingTransaction:
        """Give the call a nonce and broadcast it; the nonce is used only if a node accepts it."""
        with self._lock:
            nonce = self._free_nonce()
            for _ in range(_MAX_NONCES_TRIED):
                now = self._clock()
                pending = _PendingTransaction(call, nonce, gas, fees, now, now)
                if self._broadcast(pending):
                    self._next_nonce = nonce + 1
                    self._pending_count += 1
                    return pending
                nonce += 1  # another process used this account, or the node lags behind
        raise RpcRefused("eth_sendRawTransaction", 0, f"{_MAX_NONCES_TRIED} nonces are used")

    def _free_nonce(self) -> int:
        count = self._connection.transaction_count(self.address)
        # The node may not know our pending transactions. Without any, its count is right: a dropped
        # transaction must not leave a gap that blocks all later ones.
        return max(count, self._next_nonce) if self._pending_count else count

    def _broadcast(self, pending: _PendingTransaction) -> bool:
        """Sign and send the current version. False if its nonce is used."""
        from web3.exceptions import Web3RPCError

        signed = self._account.sign_transaction(self._unsigned(pending))
        pending.hashes.append("0x" + bytes(signed.hash).hex())
        try:
            self._connection.web3.eth.send_raw_transaction(signed.raw_transaction)
        except Web3RPCError as error:
            return self._is_known(pending, error)
        except RpcUnavailable:
            # The node may have accepted it although its answer was lost. Wait for it: sending the
            # call again could pay twice.
            return True
        return True

    def _unsigned(self, pending: _PendingTransaction) -> dict[str, Any]:
        transaction = dict(transaction_of(pending.call, self.address))
        del transaction["from"]
        return transaction | {
            "nonce": pending.nonce,
            "gas": pending.gas,
            "maxFeePerGas": pending.fees.max_fee,
            "maxPriorityFeePerGas": pending.fees.tip,
            "chainId": self._connection.chain_id,
            "type": "0x2",
        }

    def _is_known(self, pending: _PendingTransaction, error: Web3RPCError) -> bool:
        """Whether the node has this very transaction. False if another one used its nonce."""
        code, message = code_and_message(error)
        words = message.lower()
        if any(word in words for word in _ALREADY_KNOWN_WORDS):
            return True
        if any(word in words for word in _NONCE_USED_WORDS):
            # Perhaps by us: the answer to an earlier attempt was lost and another node was asked.
            return self._receipt(pending.hashes) is not None
        if any(word in words for word in _INSUFFICIENT_FUNDS_WORDS):
            self._require_funds(pending.call, pending.gas, pending.fees)
        raise RpcRefused("eth_sendRawTransaction", code, message) from None

    # ------------------------------------------------------------ waiting

    def _await_confirmation(self, pending: _PendingTransaction) -> ConfirmedTransaction:
        pauses = poll_pauses(self._poll_seconds, 4 * self._poll_seconds)
        while True:
            try:
                with self._connection.single_attempts():
                    receipt = self._receipt(pending.hashes)
                    action = next_action(self._state(pending, receipt), self._policy)
                if isinstance(action, Confirmed) and receipt is not None:
                    return self._confirmed(pending.call, receipt)
                if isinstance(action, Resend):
                    self._resend(pending, action.fees)
            except RpcUnavailable:  # it was sent: a node that answers again shows if it is included
                waited = self._clock() - pending.first_sent
                action = GiveUp() if waited >= self._policy.give_up_after_seconds else Wait()
            if isinstance(action, GiveUp):
                raise TransactionUnconfirmed(
                    pending.hashes[-1], pending.nonce, self._policy.give_up_after_seconds
                )
            self._wait(next(pauses))

    def _resend(self, pending: _PendingTransaction, fees: Fees) -> None:
        pending.fees = fees
        pending.last_sent = self._clock()
        # If the nonce is used, one of our versions was included; the next poll finds it.
        self._broadcast(pending)

    def _state(self, pending: _PendingTransaction, receipt: TxReceipt | None) -> TransactionState:
        """Asks the node for what matters at this point alone."""
        now = self._clock()
        since_last = now - pending.last_sent
        may_resend = receipt is None and since_last >= self._policy.resend_after_seconds
        included_at = None if receipt is None else int(receipt["blockNumber"])
        head = included_at or 0
        if included_at is not None and self._policy.confirmations > 1:
            head = self._connection.head().number
        return TransactionState(
            seconds_since_first=now - pending.first_sent,
            seconds_since_last=since_last,
            offered=pending.fees,
            market=self._market_fees() if may_resend else pending.fees,
            included_at=included_at,
            head=head,
        )

    def _receipt(self, hashes: Sequence[str]) -> TxReceipt | None:
        for transaction_hash in reversed(hashes):
            sent: Any = transaction_hash
            try:
                with translate_errors("eth_getTransactionReceipt", transaction_hash):
                    return self._connection.web3.eth.get_transaction_receipt(sent)
            except BlockUnknown:
                continue
        return None

    def _confirmed(self, call: Call, receipt: TxReceipt) -> ConfirmedTransaction:
        gas_used = int(receipt["gasUsed"])
        if receipt["status"] != 1:
            # Replayed on its own block's state, which includes the transaction that won the race.
            self._connection.simulate(
                call, self.address, at=self._connection.block(int(receipt["blockNumber"]))
            )
            raise ContractRejected(WITHOUT_REASON, {"gasUsed": gas_used})
        return ConfirmedTransaction(
            transaction_hash="0x" + bytes(receipt["transactionHash"]).hex(),
            block_number=int(receipt["blockNumber"]),
            gas_used=gas_used,
            fee=gas_used * int(receipt["effectiveGasPrice"]),
            logs=tuple(receipt["logs"]),
        )
