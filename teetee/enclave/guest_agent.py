# SPDX-License-Identifier: Apache-2.0
"""The guest agent, from which an enclave gets its quotes, and nothing else.

Its keys (dstack's GetKey) are not used: the host chooses the key provider, and the quote that the
registry verifies does not show which.

`GuestAgent` is the port; `DstackGuestAgent` is the adapter to dstack's agent (or tee_simulator) on
its socket.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import httpx
from dstack_sdk import DstackClient, GetQuoteResponse
from pydantic import ValidationError

from teetee.errors import GuestAgentAnswerInvalid, GuestAgentRefused, GuestAgentUnreachable

_Answer = TypeVar("_Answer")

DSTACK_SOCKET = "/var/run/dstack.sock"
"""Where dstack's guest agent listens, inside its guest."""
REPORT_DATA_BYTES = 64
MAX_QUOTE_BYTES = 16_384
"""dstack's TDX v4 quotes have 5,006 bytes; the margin allows longer certificate chains."""


class GuestAgent(Protocol):
    """What an enclave needs from its guest agent."""

    def get_quote(self, report_data: bytes) -> bytes:
        """A quote, certificates included, over 64 bytes of report data."""


class DstackGuestAgent:
    """dstack's guest agent, or tee_simulator's at another endpoint. Reads no environment.

    Connects for each call, so the agent may start later. A call blocks for `timeout_seconds` at
    most and raises `GuestAgentUnreachable` (retryable), `GuestAgentRefused` or
    `GuestAgentAnswerInvalid`.
    """

    def __init__(self, endpoint: str = DSTACK_SOCKET, *, timeout_seconds: float = 30.0) -> None:
        self.endpoint = endpoint
        self._timeout_seconds = timeout_seconds

    def get_quote(self, report_data: bytes) -> bytes:
        """The quote; checks only its length."""
        if len(report_data) != REPORT_DATA_BYTES:
            raise ValueError(
                f"report data must be {REPORT_DATA_BYTES} bytes, not {len(report_data)}"
            )
        answer: GetQuoteResponse = self._call(
            "GetQuote", lambda client: client.get_quote(report_data)
        )
        quote = self._bytes("GetQuote", answer.decode_quote)
        if not 0 < len(quote) <= MAX_QUOTE_BYTES:
            raise GuestAgentAnswerInvalid(
                self.endpoint, "GetQuote", f"the quote must have 1 to {MAX_QUOTE_BYTES} bytes"
            )
        return quote

    def _call(self, method: str, ask: Callable[[DstackClient], _Answer]) -> _Answer:
        try:
            client = DstackClient(self.endpoint, timeout=self._timeout_seconds)
            with client:  # `as` would bind the SDK's asynchronous client
                return ask(client)
        except FileNotFoundError:
            raise GuestAgentUnreachable(self.endpoint, "does not exist") from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status >= 500:
                raise GuestAgentUnreachable(
                    self.endpoint, f"failed {method} with HTTP {status}"
                ) from None
            raise GuestAgentRefused(self.endpoint, method, status) from None
        except httpx.TimeoutException:
            raise GuestAgentUnreachable(
                self.endpoint, f"did not answer within {self._timeout_seconds:g} s"
            ) from None
        except httpx.TransportError:
            raise GuestAgentUnreachable(self.endpoint, "does not answer") from None
        # pydantic's error prints the reply: drop it as the cause.
        except (ValidationError, ValueError, TypeError):
            raise GuestAgentAnswerInvalid(
                self.endpoint, method, "the reply lacks a field or is not JSON"
            ) from None

    def _bytes(self, method: str, decode: Callable[[], bytes]) -> bytes:
        try:
            return decode()
        except ValueError:
            raise GuestAgentAnswerInvalid(self.endpoint, method, "the reply is not hex") from None
