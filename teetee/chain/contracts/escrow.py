# SPDX-License-Identifier: Apache-2.0
"""InferenceEscrow: requests, their payment and settlement. Reads, and calls to be sent.

Events are in `teetee.chain.contracts.escrow_history`. Without `at`, reads are of the newest block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import UnknownRequest
from teetee.chain.contracts.token import Permit
from teetee.chain.deployment import Deployment
from teetee.chain.read_batch import ReadBatch
from teetee.chain.types.abi_fields import from_abi, to_abi
from teetee.chain.types.blocks import Block
from teetee.chain.types.requests import (
    Account,
    Allowance,
    DeclineReason,
    Request,
    RequestParameters,
    RequestStatus,
)
from teetee.chain.types.settlements import SettlementParameters
from teetee.protocol.identifiers import RequestId, ShardId

PAGE = 200
EVERY_RECIPIENT = ShardId(0)
_TERMS = (
    "token",
    "registry",
    "treasury",
    "fee_bps",
    "penalty",
    "min_window",
    "max_window",
    "max_envelope_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowTerms:
    """The escrow's immutable terms."""

    token: str
    registry: str
    treasury: str
    fee_bps: int
    penalty: int
    """Token wei taken from the primary entry's bond if a deadline passes without an answer."""
    min_window: int
    """Seconds between a request and its deadline."""
    max_window: int
    max_envelope_bytes: int
    """Also the limit for answers."""


class Escrow:
    """Reads and calls of one escrow."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self.contract = connection.contract("InferenceEscrow", deployment.escrow)
        self._terms: EscrowTerms | None = None

    # ------------------------------------------------------------ reads

    def terms(self) -> EscrowTerms:
        """They never change: they are read once."""
        return self.terms_in(self._connection.batch())()

    def terms_in(self, batch: ReadBatch) -> Callable[[], EscrowTerms]:
        """The same, read with others."""
        known = self._terms
        if known is not None:
            return lambda: known
        reads = {name: batch.add(self.contract, name.upper()) for name in _TERMS}

        def terms() -> EscrowTerms:
            self._terms = EscrowTerms(**{name: read() for name, read in reads.items()})
            return self._terms

        return terms

    def request_count(self, at: Block | None = None) -> int:
        """The number of requests, which is also the highest id."""
        return self.request_count_in(self._connection.batch(at))()

    def request_count_in(self, batch: ReadBatch) -> Callable[[], int]:
        """The same, read with others."""
        read = batch.add(self.contract, "requestCount")
        return lambda: int(read())

    def request_of(self, request_id: RequestId, at: Block | None = None) -> Request:
        """One request. Raises `UnknownRequest`."""
        return self.request_in(self._connection.batch(at), request_id)()

    def request_in(self, batch: ReadBatch, request_id: RequestId) -> Callable[[], Request]:
        """The same, read with others."""
        read = batch.add(self.contract, "requestOf", request_id)

        def request() -> Request:
            stored = read()
            if RequestStatus(stored.status) is RequestStatus.NONE:
                raise UnknownRequest("UnknownRequest", {"requestId": request_id})
            return from_abi(
                Request,
                stored._asdict(),
                request_id=request_id,
                status=RequestStatus(stored.status),
                recipients=tuple(stored.recipients),
            )

        return request

    def open_page(
        self,
        cursor: int,
        limit: int = PAGE,
        at: Block | None = None,
        *,
        recipient: ShardId = EVERY_RECIPIENT,
    ) -> tuple[tuple[RequestId, ...], int]:
        """The recipient's open requests among the `limit` ids after `cursor`, and the next cursor;
        0 at the end.
        """
        return self.open_page_in(self._connection.batch(at), cursor, limit, recipient)()

    def open_page_in(
        self, batch: ReadBatch, cursor: int, limit: int, recipient: ShardId
    ) -> Callable[[], tuple[tuple[RequestId, ...], int]]:
        """The same, read with others."""
        read = batch.add(self.contract, "openRequests", recipient, cursor, limit)

        def page() -> tuple[tuple[RequestId, ...], int]:
            ids, next_cursor = read()
            return tuple(RequestId(request_id) for request_id in ids), int(next_cursor)

        return page

    def account_of(self, address: str, at: Block | None = None) -> Account:
        """An address's account with the escrow."""
        return self.account_in(self._connection.batch(at), address)()

    def account_in(self, batch: ReadBatch, address: str) -> Callable[[], Account]:
        """The same, read with others."""
        read = batch.add(self.contract, "accountOf", address)
        return lambda: from_abi(Account, read()._asdict())

    def allowance_of(self, host: str, shard_id: ShardId, at: Block | None = None) -> Allowance:
        """LLM tokens that the shard's host may use today without paying."""
        return self.allowance_in(self._connection.batch(at), host, shard_id)()

    def allowance_in(
        self, batch: ReadBatch, host: str, shard_id: ShardId
    ) -> Callable[[], Allowance]:
        """The same, read with others."""
        read = batch.add(self.contract, "allowanceOf", host, shard_id)
        return lambda: Allowance(quota=int(read().quota), used=int(read().used))

    # ------------------------------------------------------------ calls

    def request(self, parameters: RequestParameters) -> Call:
        """By the requester: paid from its credit, then from its token allowance."""
        return encode_call(self.contract, "request", to_abi(parameters))

    def request_with_permit(self, parameters: RequestParameters, permit: Permit) -> Call:
        """By the requester, who signed the permit for this escrow."""
        return encode_call(self.contract, "requestWithPermit", to_abi(parameters), to_abi(permit))

    def request_on_allowance(self, parameters: RequestParameters, shard_id: ShardId) -> Call:
        """By the host of the active shard, without payment."""
        return encode_call(self.contract, "requestOnAllowance", to_abi(parameters), shard_id)

    def settle(self, settlement: SettlementParameters) -> Call:
        """By anyone: the signatures authorize it."""
        return encode_call(self.contract, "settle", settlement.to_abi())

    def settle_batch(self, settlements: Sequence[SettlementParameters]) -> Call:
        """Skips requests that have ended; reverts if any settlement is invalid."""
        batch = [settlement.to_abi() for settlement in settlements]
        return encode_call(self.contract, "settleBatch", batch)

    def decline(self, request_ids: Sequence[RequestId], reason: DeclineReason) -> Call:
        """By the signer of a recipient of all of them. Skips requests that have ended."""
        return encode_call(self.contract, "decline", list(request_ids), reason.value)

    def refund(self, request_id: RequestId) -> Call:
        """By anyone, after the deadline."""
        return encode_call(self.contract, "refund", request_id)

    def withdraw(self, address: str) -> Call:
        """By anyone: pays out the account's whole credit; a host's goes to its payout address."""
        return encode_call(self.contract, "withdraw", address)

    def _read(self, function: str, *arguments: Any, at: Block | None = None) -> Any:
        return self._connection.read(self.contract, function, *arguments, at=at)
