# SPDX-License-Identifier: Apache-2.0
"""Questions, their money and their ends: reads of InferenceEscrow, and its calls to be sent.

Events are in `teetee.chain.contracts.escrow_history`. Reads without `at` are of the newest block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Block, Connection
from teetee.chain.contract_errors import UnknownRequest
from teetee.chain.contracts.token import Permit
from teetee.chain.deployment import Deployment
from teetee.chain.types.requests import (
    Account,
    Allowance,
    DeclineReason,
    Request,
    RequestParameters,
    RequestStatus,
)
from teetee.chain.types.settlements import SettlementParameters
from teetee.protocol.identifiers import ModelId, RequestId, ShardId

PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowTerms:
    """What the escrow was deployed with; it never changes."""

    token: str
    registry: str
    treasury: str
    fee_bps: int
    penalty: int
    """Token wei from the primary's bond when a deadline passes in silence."""
    min_window: int
    """Seconds between a request and its deadline."""
    max_window: int
    max_envelope_bytes: int
    """Also of the largest answer."""


class Escrow:
    """Reads and calls of one escrow."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self.contract = connection.contract("InferenceEscrow", deployment.escrow)

    # ------------------------------------------------------------ reads

    def terms(self) -> EscrowTerms:
        """Read once: they are immutable."""
        return EscrowTerms(
            token=self._read("TOKEN"),
            registry=self._read("REGISTRY"),
            treasury=self._read("TREASURY"),
            fee_bps=self._read("FEE_BPS"),
            penalty=self._read("PENALTY"),
            min_window=self._read("MIN_WINDOW"),
            max_window=self._read("MAX_WINDOW"),
            max_envelope_bytes=self._read("MAX_ENVELOPE_BYTES"),
        )

    def request_count(self, at: Block | None = None) -> int:
        """Requests are numbered from 1 to this."""
        return int(self._read("requestCount", at=at))

    def request_of(self, request_id: RequestId, at: Block | None = None) -> Request:
        """One request. Raises `UnknownRequest`."""
        stored = self._read("requestOf", request_id, at=at)
        if RequestStatus(stored.status) is RequestStatus.NONE:
            raise UnknownRequest("UnknownRequest", {"requestId": request_id})
        return Request(
            request_id=request_id,
            requester=stored.requester,
            model_id=ModelId(stored.modelId),
            status=RequestStatus(stored.status),
            opened_at=stored.openedAt,
            deadline=stored.deadline,
            max_input_tokens=stored.maxInputTokens,
            max_output_tokens=stored.maxOutputTokens,
            input_price=stored.inputPrice,
            output_price=stored.outputPrice,
            deposit=stored.deposit,
            recipients=tuple(ShardId(shard_id) for shard_id in stored.recipients),
        )

    def open_page(
        self, cursor: int, limit: int = PAGE, at: Block | None = None
    ) -> tuple[tuple[RequestId, ...], int]:
        """The open requests among the `limit` ids after `cursor`, and the next cursor, 0 at the
        end.
        """
        ids, following = self._read("openRequests", cursor, limit, at=at)
        return tuple(RequestId(request_id) for request_id in ids), int(following)

    def account_of(self, address: str, at: Block | None = None) -> Account:
        """What the escrow keeps for an address."""
        stored = self._read("accountOf", address, at=at)
        return Account(credit=stored.credit, served_layer_tokens=stored.servedLayerTokens)

    def allowance_of(self, host: str, shard_id: ShardId, at: Block | None = None) -> Allowance:
        """LLM tokens that the host of the shard may use today without paying."""
        quota, used = self._read("allowanceOf", host, shard_id, at=at)
        return Allowance(quota=int(quota), used=int(used))

    # ------------------------------------------------------------ calls

    def request(self, parameters: RequestParameters) -> Call:
        """By the requester: its credit pays first, then what it has approved."""
        return encode_call(self.contract, "request", parameters.to_abi())

    def request_with_permit(self, parameters: RequestParameters, permit: Permit) -> Call:
        """By the requester, who signed the permit for this escrow."""
        return encode_call(self.contract, "requestWithPermit", parameters.to_abi(), permit.to_abi())

    def request_on_allowance(self, parameters: RequestParameters, shard_id: ShardId) -> Call:
        """By the host of the active shard, without payment."""
        return encode_call(self.contract, "requestOnAllowance", parameters.to_abi(), shard_id)

    def settle(self, settlement: SettlementParameters) -> Call:
        """By anyone: the signatures count."""
        return encode_call(self.contract, "settle", settlement.to_abi())

    def settle_batch(self, settlements: Sequence[SettlementParameters]) -> Call:
        """Skips requests which have ended; refuses all if one settlement is wrong."""
        batch = [settlement.to_abi() for settlement in settlements]
        return encode_call(self.contract, "settleBatch", batch)

    def decline(self, request_id: RequestId, reason: DeclineReason) -> Call:
        """By the signer of a recipient."""
        return encode_call(self.contract, "decline", request_id, reason.value)

    def refund(self, request_id: RequestId) -> Call:
        """By anyone, after the deadline."""
        return encode_call(self.contract, "refund", request_id)

    def withdraw(self, address: str) -> Call:
        """By anyone: pays the account's whole credit, a host's to its payout address."""
        return encode_call(self.contract, "withdraw", address)

    def _read(self, function: str, *arguments: Any, at: Block | None = None) -> Any:
        return self._connection.read(self.contract, function, *arguments, at=at)
