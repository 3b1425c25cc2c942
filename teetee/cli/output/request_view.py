# SPDX-License-Identifier: Apache-2.0
"""Past and unread requests as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teetee.cli.output.formats import format_minute
from teetee.client.amounts import round_amount

if TYPE_CHECKING:
    from teetee.client.requests.request_history import PastRequest

STATUS_WORDS = {
    "OPEN": "waiting",
    "SETTLED": "✓ answered",
    "DECLINED": "✗ declined",
    "REFUNDED": "✗ refunded",
    "UNSEEN": "not on the chain yet",
}


def describe_cost(past: PastRequest) -> str:
    """What was paid, or the deposit of a request that waits."""
    if not past.request.deposit:
        return "free"
    if past.request.status.name == "OPEN":
        return f"deposit {round_amount(past.request.deposit)}"
    return round_amount(past.cost)


def describe_request(past: PastRequest) -> tuple[str, str, str, str]:
    """Number, time, status and cost."""
    request = past.request
    return (
        str(request.request_id),
        format_minute(request.opened_at),
        STATUS_WORDS.get(request.status.name, request.status.name),
        describe_cost(past),
    )
