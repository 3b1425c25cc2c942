# SPDX-License-Identifier: Apache-2.0
"""Sends calls: simulates, prices, signs, broadcasts, raises fees if needed, waits for confirmation.

Use one `TransactionSender` per account and process. It serializes the allocation of nonces but not
the waiting, so calls can be pending in parallel. `fee_policy` makes the decisions.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from web3 import Web3
from web3.exceptions import Web3RPCError
from web3.types import LogReceipt, Nonce, TxParams, TxReceipt, Wei

from teetee.chain.calldata import Call
from teetee.chain.connection import Connection, code_and_message, translate_errors
from teetee.chain.contract_errors import ContractRejected
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

_KNOWN_WORDS = ("already known", "already imported", "known transaction")
_TAKEN_WORDS = (
    "nonce too low",
    "replacement transaction underpriced",
    "nonce has already been used",
)
_POOR_WORDS = ("insufficient funds",)
_GAS_PER_TRANSACTION = 1 << 24
"""EIP-7825: nothing with a higher limit is included."""
_NONCES_TRIED = 5


@dataclass(frozen=True, slots=True)
class ConfirmedTransaction:
    """A confirmed transaction which did what it should."""

    transaction_hash: str
    block_number: int
    gas_used: int
    fee: int
    """Wei paid for execution; on an L2 its L1 share comes on top."""
    logs: tuple[LogReceipt, ...] = field(repr=False)


@dataclass
class _PendingTransaction:
    """A transaction and all its versions: each can be the one that is included."""

    call: Call
    nonce: int
    gas: int
    fees: Fees
    first_sent: float
    last_sent: float
    hashes: list[str] = field(default_factory=list)


class TransactionSender:
    """Sends from one account. Safe for several threads; two processes with one account get in each
    other's way.

    `send` raises `ContractRejected` (by simulation, or by the chain), `InsufficientFunds`,
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
    ) -> None:
        self.address = str(account.address)
        self._connection = connection
        self._account = account
        self._rules = policy or SendingPolicy()
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._next_nonce = 0
        self._under_way = 0

    def send(self, call: Call) -> ConfirmedTransaction:
        """Send one call and wait until it is confirmed."""
        self._connection.simulate(call, self.address)
        gas = self._gas(call)
        fees = self._affordable_fees()
        self._require_funds(call, gas, fees)
        under_way = self._submit(call, gas, fees)
        try:
            return self._follow(under_way)
        finally:
            with self._lock:
                self._under_way -= 1

    # ------------------------------------------------------------ before sending

    def _gas(self, call: Call) -> int:
        transaction = self._transaction(call)
        with translate_errors("eth_estimateGas", "latest"):
            estimate = self._connection.web3.eth.estimate_gas(transaction)
        with_margin = estimate + estimate * self._rules.gas_margin_percent // 100
        return min(with_margin, max(estimate, _GAS_PER_TRANSACTION))

    def _market_fees(self) -> Fees:
        with translate_errors("eth_maxPriorityFeePerGas", "latest"):
            head = self._connection.web3.eth.get_block("latest")
            tip = int(self._connection.web3.eth.max_priority_fee)
        return market_fees(int(head.get("baseFeePerGas", 0)), tip)

    def _affordable_fees(self) -> Fees:
        market = self._market_fees()
        # Half the room of a market offer still covers the next block's base fee.
        if market.max_fee // 2 > self._rules.max_fee_per_gas:
            raise FeeAboveLimit(market.max_fee, self._rules.max_fee_per_gas)
        return cap_fees(market, self._rules.max_fee_per_gas)

    def _require_funds(self, call: Call, gas: int, fees: Fees) -> None:
        with translate_errors("eth_getBalance", "latest"):
            have = int(self._connection.web3.eth.get_balance(self._account.address))
        needed = gas * fees.max_fee + call.value
        if have < needed:
            raise InsufficientFunds(needed, have, self.address)

    # ------------------------------------------------------------ sending

    def _submit(self, call: Call, gas: int, fees: Fees) -> _PendingTransaction:
        """Give the call a nonce and broadcast it; the nonce is used up only if a node took it."""
        with self._lock:
            nonce = self._free_nonce()
            for _ in range(_NONCES_TRIED):
                now = self._clock()
                under_way = _PendingTransaction(call, nonce, gas, fees, now, now)
                if self._broadcast(under_way):
                    self._next_nonce = nonce + 1
                    self._under_way += 1
                    return under_way
                nonce += 1  # somebody else sent with this account, or the node lags behind
        raise RpcRefused("eth_sendRawTransaction", 0, "the nonce is taken again and again")

    def _free_nonce(self) -> int:
        with translate_errors("eth_getTransactionCount", "pending"):
            pending = int(
                self._connection.web3.eth.get_transaction_count(self._account.address, "pending")
            )
        # Our own count only matters while transactions of ours may be unknown to the node: one that
        # was dropped must not leave a gap behind which all later ones wait.
        return max(pending, self._next_nonce) if self._under_way else pending

    def _broadcast(self, under_way: _PendingTransaction) -> bool:
        """Sign and send the present version; False: its nonce is taken."""
        transaction = self._transaction(under_way.call)
        transaction["nonce"] = Nonce(under_way.nonce)
        transaction["gas"] = under_way.gas
        transaction["maxFeePerGas"] = Wei(under_way.fees.max_fee)
        transaction["maxPriorityFeePerGas"] = Wei(under_way.fees.tip)
        transaction["chainId"] = self._connection.chain_id
        transaction["type"] = HexStr("0x2")
        unsigned = {key: value for key, value in transaction.items() if key != "from"}
        signed = self._account.sign_transaction(unsigned)  # type: ignore[arg-type]
        under_way.hashes.append("0x" + bytes(signed.hash).hex())
        try:
            self._connection.web3.eth.send_raw_transaction(signed.raw_transaction)
        except Web3RPCError as error:
            return self._is_known(under_way, error)
        except RpcUnavailable:
            # The node may have taken it and the answer been lost: only following it is safe, since
            # sending the call anew could pay twice.
            return True
        return True

    def _is_known(self, under_way: _PendingTransaction, error: Web3RPCError) -> bool:
        """Whether the node has this very transaction; False: its nonce is taken by another."""
        code, message = code_and_message(error)
        words = message.lower()
        if any(word in words for word in _KNOWN_WORDS):
            return True
        if any(word in words for word in _TAKEN_WORDS):
            # By us, if the answer to an earlier try was lost and another node was asked.
            return self._receipt(under_way.hashes) is not None
        if any(word in words for word in _POOR_WORDS):
            self._require_funds(under_way.call, under_way.gas, under_way.fees)
        raise RpcRefused("eth_sendRawTransaction", code, message) from None

    # ------------------------------------------------------------ waiting

    def _follow(self, under_way: _PendingTransaction) -> ConfirmedTransaction:
        while True:
            try:
                receipt = self._receipt(under_way.hashes)
                step = next_action(self._facts(under_way, receipt), self._rules)
                if isinstance(step, Confirmed) and receipt is not None:
                    return self._finished(under_way.call, receipt)
                if isinstance(step, Resend):
                    self._resend(under_way, step.fees)
            except RpcUnavailable:  # it is sent: whether it is included is seen when a node is back
                waited = self._clock() - under_way.first_sent
                step = GiveUp() if waited >= self._rules.give_up_after_seconds else Wait()
            if isinstance(step, GiveUp):
                raise TransactionUnconfirmed(
                    under_way.hashes[-1], under_way.nonce, self._rules.give_up_after_seconds
                )
            self._wait(self._poll_seconds)

    def _resend(self, under_way: _PendingTransaction, fees: Fees) -> None:
        under_way.fees = fees
        under_way.last_sent = self._clock()
        # If its nonce is taken, one of our versions was included: the next look shows it.
        self._broadcast(under_way)

    def _facts(self, under_way: _PendingTransaction, receipt: TxReceipt | None) -> TransactionState:
        now = self._clock()
        return TransactionState(
            seconds_since_first=now - under_way.first_sent,
            seconds_since_last=now - under_way.last_sent,
            offered=under_way.fees,
            market=under_way.fees if receipt is not None else self._market_fees(),
            included_at=None if receipt is None else int(receipt["blockNumber"]),
            head=self._connection.head().number,
        )

    def _receipt(self, hashes: Sequence[str]) -> TxReceipt | None:
        for transaction_hash in reversed(hashes):
            try:
                with translate_errors("eth_getTransactionReceipt", transaction_hash):
                    return self._connection.web3.eth.get_transaction_receipt(
                        HexStr(transaction_hash)
                    )
            except BlockUnknown:
                continue
        return None

    def _finished(self, call: Call, receipt: TxReceipt) -> ConfirmedTransaction:
        gas_used = int(receipt["gasUsed"])
        if receipt["status"] != 1:
            # Replayed on the state of its own block, where whoever was faster has left his traces.
            self._connection.simulate(
                call, self.address, at=self._connection.block(int(receipt["blockNumber"]))
            )
            raise ContractRejected("without a reason", {"gasUsed": gas_used})
        return ConfirmedTransaction(
            transaction_hash="0x" + bytes(receipt["transactionHash"]).hex(),
            block_number=int(receipt["blockNumber"]),
            gas_used=gas_used,
            fee=gas_used * int(receipt["effectiveGasPrice"]),
            logs=tuple(receipt["logs"]),
        )

    def _transaction(self, call: Call) -> TxParams:
        return {
            "from": Web3.to_checksum_address(self.address),
            "to": Web3.to_checksum_address(call.to),
            "data": HexStr("0x" + call.data.hex()),
            "value": Wei(call.value),
        }
