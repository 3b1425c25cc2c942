# SPDX-License-Identifier: Apache-2.0
"""A registry's verifier: our own, or the adapter to Automata's contracts.

Our own takes quote cores and stores collateral itself. The adapter takes the core followed by the
PEM chain, stores the status that Automata's contracts gave the quote, and updates it on request.
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
    """Reads and calls of a registry's verifier. `argument` works for both kinds, the status methods
    only for the adapter.
    """

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._contract = connection.contract("AutomataVerifier", deployment.verifier)

    @cached_property
    def is_adapter(self) -> bool:
        """Whether it is the adapter, which names Automata's contract and stores no collateral.
        Read once: a registry never changes its verifier.
        """
        try:
            self._connection.read(self._contract, "AUTOMATA")
        except (ContractRejected, NoContract):
            return False
        return True

    def argument(self, quote: Quote) -> bytes:
        """The `quote` argument of `enrol` and `renew`."""
        return quote.core + quote.pck_chain if self.is_adapter else quote.core

    # ------------------------------------------------------------ the adapter's statuses

    def last_status(self, claims: QuoteClaims, evaluation_number: int) -> TcbStatus:
        """The stored status. Raises `ContractRejected`."""
        policy = (evaluation_number, 0)
        assessed = self._connection.read(self._contract, "assessQuote", claims.to_abi(), policy)
        return TcbStatus(int(assessed.tcbStatus))

    def current_status(self, argument: bytes, pck_id: bytes, evaluation_number: int) -> TcbStatus:
        """The status that Automata gives now; sends nothing. Raises `ContractRejected`."""
        status = self._connection.read(self._contract, "judge", argument, pck_id, evaluation_number)
        return TcbStatus(int(status))

    def update_status(self, argument: bytes, pck_id: bytes, evaluation_number: int) -> Call:
        """By anyone: stores Automata's current status."""
        return encode_call(self._contract, "judge", argument, pck_id, evaluation_number)
