# SPDX-License-Identifier: Apache-2.0
"""Signs the versions of a transaction, sends them, and reads what the node says about them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from teetee.chain.connection import Connection, code_and_message, transaction_of
from teetee.chain.errors import (
    BlockUnknown,
    FeeAboveLimit,
    InsufficientFunds,
    RpcRefused,
    RpcUnavailable,
)
from teetee.chain.transactions.nonce_ledger import SentTransaction

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3.exceptions import Web3RPCError
    from web3.types import TxReceipt

_ALREADY_KNOWN_WORDS = ("already known", "already imported", "known transaction")
_NONCE_USED_WORDS = ("nonce too low", "nonce has already been used")
_UNDERPRICED_WORDS = (
    "replacement transaction underpriced",
    "replacement fee too low",
    "could not replace existing",
    "replacementnotallowed",
)
_INSUFFICIENT_FUNDS_WORDS = ("insufficient funds",)
_BELOW_BASE_FEE_WORDS = ("less than block base fee", "fee cap less than", "feetoolow")


class Answer(Enum):
    """What a node says about a version."""

    ACCEPTED = "accepted"
    NONCE_USED = "nonce used"
    """Another transaction with the nonce is included."""
    UNDERPRICED = "underpriced"
    """Another transaction with the nonce is pending, and offers too much to be replaced by this."""


class Broadcaster:
    """For one account."""

    def __init__(self, connection: Connection, account: LocalAccount) -> None:
        self._connection = connection
        self._account = account
        self._address = str(account.address)

    def send(self, sent: SentTransaction) -> Answer:
        """Sign and send the present version.

        Raises `InsufficientFunds`, `FeeAboveLimit`, `RpcRefused`.
        """
        from web3.exceptions import Web3RPCError

        signed = self._account.sign_transaction(self._unsigned(sent))
        transaction_hash = "0x" + bytes(signed.hash).hex()
        if transaction_hash not in sent.hashes:
            sent.hashes.append(transaction_hash)
        try:
            self._connection.web3.eth.send_raw_transaction(signed.raw_transaction)
        except Web3RPCError as error:
            return self._read(sent, error)
        except RpcUnavailable:
            # The node may have accepted it although its answer was lost. Wait for it: sending the
            # call again could pay twice.
            return Answer.ACCEPTED
        return Answer.ACCEPTED

    def receipt(self, sent: SentTransaction) -> TxReceipt | None:
        """Of the version that is included."""
        for transaction_hash in reversed(sent.hashes):
            found = self._receipt_of(transaction_hash)
            if found is not None:
                return found
        return None

    def _receipt_of(self, transaction_hash: str) -> TxReceipt | None:
        from teetee.chain.connection import translate_errors

        try:
            with translate_errors("eth_getTransactionReceipt", transaction_hash):
                return self._connection.web3.eth.get_transaction_receipt(transaction_hash)  # type: ignore[arg-type]
        except BlockUnknown:
            return None

    def _unsigned(self, sent: SentTransaction) -> dict[str, Any]:
        transaction = dict(transaction_of(sent.call, self._address))
        del transaction["from"]
        return transaction | {
            "nonce": sent.nonce,
            "gas": sent.gas,
            "maxFeePerGas": sent.fees.max_fee,
            "maxPriorityFeePerGas": sent.fees.tip,
            "chainId": self._connection.chain_id,
            "type": "0x2",
        }

    def _read(self, sent: SentTransaction, error: Web3RPCError) -> Answer:
        code, message = code_and_message(error)
        words = message.lower()
        if any(word in words for word in _ALREADY_KNOWN_WORDS):
            return Answer.ACCEPTED
        for known, answer in (
            (_NONCE_USED_WORDS, Answer.NONCE_USED),
            (_UNDERPRICED_WORDS, Answer.UNDERPRICED),
        ):
            if any(word in words for word in known):
                # Perhaps by us: the answer to an earlier attempt was lost and another node asked.
                is_included = self.receipt(sent) is not None
                return Answer.ACCEPTED if is_included else answer
        if any(word in words for word in _INSUFFICIENT_FUNDS_WORDS):
            balance = self._connection.ether_of(self._address)
            raise InsufficientFunds(max(sent.max_cost, balance + 1), balance, self._address)
        if any(word in words for word in _BELOW_BASE_FEE_WORDS):
            base_fee, _ = self._connection.base_fee_and_tip()
            raise FeeAboveLimit(base_fee, sent.fees.max_fee)
        raise RpcRefused("eth_sendRawTransaction", code, message) from None
