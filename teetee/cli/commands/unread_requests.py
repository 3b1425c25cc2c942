# SPDX-License-Identifier: Apache-2.0
"""The list that `teetee resume` prints without a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from teetee.cli.output.request_view import STATUS_WORDS, describe_request
from teetee.cli.session import Session
from teetee.client.client import Client
from teetee.client.contracts import Contracts
from teetee.client.requests.request_history import PastRequest, past_request
from teetee.errors import Retryable


@dataclass(frozen=True)
class UnreadRequest:
    """A request whose secret is on this machine. `past` None: the chain does not show it yet."""

    client_nonce: str
    past: PastRequest | None

    def to_json(self) -> dict[str, Any]:
        """Numbers, and amounts as decimal strings of wei."""
        known = (
            {"requestId": None, "status": "UNSEEN"} if self.past is None else self.past.to_json()
        )
        return known | {"clientNonce": self.client_nonce}

    def to_row(self) -> tuple[str, ...]:
        """With the command that continues it."""
        if self.past is None:
            return ("", "", STATUS_WORDS["UNSEEN"], "", "teetee resume, in a minute")
        return (*describe_request(self.past), f"teetee resume {self.past.request.request_id}")


def list_unread(session: Session, client: Client) -> None:
    """Print the wallet's unread requests."""
    printer = session.printer
    with printer.waiting("Reading unread requests…"):
        unread = list(_unread(client, session.contracts))
    printer.result([each.to_json() for each in unread])
    if printer.as_json:
        return
    if not unread:
        printer.say("Nothing to resume: every answer was read.")
    columns = ("request", "asked at", "status", "cost", "continue with")
    printer.table(columns, [each.to_row() for each in unread], lead=("request {}", "{}", "{}"))


def _unread(client: Client, contracts: Contracts) -> Iterator[UnreadRequest]:
    for pending in client.pending_requests():
        nonce = f"0x{pending.client_nonce.hex()}"
        try:
            request_id = pending.request_id or client.find_request_id(pending)
        except Retryable:
            yield UnreadRequest(nonce, None)
            continue
        if request_id is not None:  # else it was never included, and its file is removed
            yield UnreadRequest(nonce, past_request(contracts, request_id))
