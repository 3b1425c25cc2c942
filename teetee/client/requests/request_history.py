# SPDX-License-Identifier: Apache-2.0
"""A wallet's past requests, with their usage and cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from teetee.chain.logs import WHOLE_CHAIN, read_logs
from teetee.chain.types.blocks import EventLog
from teetee.chain.types.requests import Request, RequestSettled, RequestStatus
from teetee.client.contracts import Contracts
from teetee.protocol.identifiers import RequestId


@dataclass(frozen=True)
class PastRequest:
    """A request and its price. Amounts in wei."""

    request: Request
    cost: int
    """The price of the answer; 0 unless the request is settled."""
    input_tokens: int
    output_tokens: int

    def to_json(self) -> dict[str, Any]:
        """Amounts are decimal strings of wei."""
        return {
            "requestId": int(self.request.request_id),
            "status": self.request.status.name,
            "modelId": int(self.request.model_id),
            "openedAt": self.request.opened_at,
            "deadline": self.request.deadline,
            "deposit": str(self.request.deposit),
            "cost": str(self.cost),
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
        }


def past_request(contracts: Contracts, request_id: int) -> PastRequest:
    """Read one request. Raises `UnknownRequest`, `LogMissing`, and the chain's other errors."""
    request = contracts.escrow.request_of(RequestId(request_id))
    ended = contracts.history.ended(request)
    if not isinstance(ended, RequestSettled):
        return PastRequest(request, 0, 0, 0)
    return PastRequest(request, ended.cost, ended.input_tokens, ended.output_tokens)


def requests_of(contracts: Contracts, requester: str, last: int) -> Iterator[PastRequest]:
    """Read the `last` requests of a wallet, oldest first. Raises the chain's errors."""
    settled = {
        log.arguments["requestId"]: log.arguments
        for log in _events(contracts, "RequestSettled", requester)
    }
    for opened in list(_events(contracts, "RequestOpened", requester))[-last:]:
        request_id = opened.arguments["requestId"]
        request = contracts.escrow.request_of(RequestId(request_id))
        usage = settled.get(request_id, {}) if request.status is RequestStatus.SETTLED else {}
        yield PastRequest(
            request,
            cost=usage.get("cost", 0),
            input_tokens=usage.get("inputTokens", 0),
            output_tokens=usage.get("outputTokens", 0),
        )


def _events(contracts: Contracts, event: str, requester: str) -> Iterator[EventLog]:
    return read_logs(
        contracts.connection,
        contracts.escrow.contract,
        event,
        first_block=contracts.deployment.deployed_at_block,
        last_block=contracts.connection.head().number,
        blocks_per_range=WHOLE_CHAIN,
        requester=requester,
    )
