# SPDX-License-Identifier: Apache-2.0
"""What a registry's verifier wants of a quote: the core alone, or the PEM chain behind it.

Our own verifier takes cores and keeps collateral itself. The adapter to Automata's contracts hands
them the whole quote, keeps what they last said of it, and has it said anew by `update_status`.
"""

from functools import cached_property

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import ContractRejected
from teetee.chain.deployment import Deployment
from teetee.chain.errors import NoContract
from teetee.quotes.claims import QuoteClaims
from teetee.quotes.quote import Quote
from teetee.quotes.tcb_status import TcbStatus


class QuoteVerifier:
    """Reads and calls of one registry's verifier. Only `argument` is for both kinds."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._contract = connection.contract("AutomataVerifier", deployment.verifier)

    @cached_property
    def is_adapter(self) -> bool:
        """Whether it hands quotes to Automata's contracts: it then names them, and keeps no
        collateral of its own. Asked once, because a registry never changes its verifier.
        """
        try:
            self._connection.read(self._contract, "AUTOMATA")
        except (ContractRejected, NoContract):
            return False
        return True

    def argument(self, quote: Quote) -> bytes:
        """What `enrol` and `renew` take for the quote."""
        return quote.core + quote.pck_chain if self.is_adapter else quote.core

    # ------------------------------------------------------------ the adapter's verdicts

    def last_status(self, claims: QuoteClaims, evaluation_number: int) -> TcbStatus:
        """What Automata said last. Raises `ContractRejected`."""
        policy = (evaluation_number, 0)
        assessed = self._connection.read(self._contract, "assessQuote", claims.to_abi(), policy)
        return TcbStatus(int(assessed.tcbStatus))

    def current_status(self, argument: bytes, pck_id: bytes, evaluation_number: int) -> TcbStatus:
        """What Automata says now; nothing is sent. Raises `ContractRejected`."""
        current = self._connection.read(
            self._contract, "judge", argument, pck_id, evaluation_number
        )
        return TcbStatus(int(current))

    def update_status(self, argument: bytes, pck_id: bytes, evaluation_number: int) -> Call:
        """By anyone: has Automata's verdict of now remembered."""
        return encode_call(self._contract, "judge", argument, pck_id, evaluation_number)
