# SPDX-License-Identifier: Apache-2.0
"""The one thing an enclave asks of the machine below it: keys that survive a restart, and quotes.

`GuestAgent` is the seam; `DstackGuestAgent` speaks to dstack's agent (or tee_simulator) over its
socket.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import httpx
from dstack_sdk import DstackClient, GetKeyResponse, GetQuoteResponse
from dstack_sdk.dstack_client import get_endpoint
from pydantic import ValidationError

from teetee.errors import GuestAgentAnswerInvalid, GuestAgentRefused, GuestAgentUnreachable

_Answer = TypeVar("_Answer")

KEY_BYTES = 32
REPORT_DATA_BYTES = 64
MAX_QUOTE_BYTES = 16_384
"""dstack's TDX v4 quotes have 5,006 bytes; the rest is room for longer certificate chains."""


class GuestAgent(Protocol):
    """What an enclave needs from below."""

    def get_key(self, path: str) -> bytes:
        """32 secret bytes, always the same for this enclave's code and this path."""

    def get_quote(self, report_data: bytes) -> bytes:
        """A quote, certificates included, over 64 bytes of report data."""


class DstackGuestAgent:
    """dstack's guest agent. Honours `DSTACK_SIMULATOR_ENDPOINT` when no endpoint is given.

    Every call connects anew, so an agent that comes up late is found. Blocks for at most `timeout`
    seconds a call. Raises `GuestAgentUnreachable` (try again), `GuestAgentRefused`,
    `GuestAgentAnswerInvalid`.
    """

    def __init__(self, endpoint: str | None = None, *, timeout: float = 30.0) -> None:
        self.endpoint = endpoint or get_endpoint()
        self._timeout = timeout

    def get_key(self, path: str) -> bytes:
        """32 bytes. dstack separates keys by `path` alone, so role and algorithm belong into it."""
        answer: GetKeyResponse = self._call("GetKey", lambda client: client.get_key(path=path))
        key = self._bytes("GetKey", answer.decode_key)
        if len(key) != KEY_BYTES:
            raise GuestAgentAnswerInvalid(
                self.endpoint, "GetKey", f"the key has not {KEY_BYTES} bytes"
            )
        return key

    def get_quote(self, report_data: bytes) -> bytes:
        """The quote's bytes, unchecked but for their number."""
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
                self.endpoint, "GetQuote", f"the quote has not 1 to {MAX_QUOTE_BYTES} bytes"
            )
        return quote

    def _call(self, method: str, ask: Callable[[DstackClient], _Answer]) -> _Answer:
        try:
            client = DstackClient(self.endpoint, timeout=self._timeout)
            with client:  # `as` would bind the SDK's asynchronous twin
                return ask(client)
        except FileNotFoundError:
            raise GuestAgentUnreachable(self.endpoint, "is not there") from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status >= 500:
                raise GuestAgentUnreachable(
                    self.endpoint, f"failed {method} with HTTP {status}"
                ) from None
            raise GuestAgentRefused(self.endpoint, method, status) from None
        except httpx.TimeoutException:
            raise GuestAgentUnreachable(
                self.endpoint, f"did not answer within {self._timeout:g} s"
            ) from None
        except httpx.TransportError:
            raise GuestAgentUnreachable(self.endpoint, "does not answer") from None
        # pydantic's error prints the reply, which holds a key: drop it as the cause.
        except (ValidationError, ValueError, TypeError):
            raise GuestAgentAnswerInvalid(
                self.endpoint, method, "the reply lacks a field or is not JSON"
            ) from None

    def _bytes(self, method: str, decode: Callable[[], bytes]) -> bytes:
        try:
            return decode()
        except ValueError:
            raise GuestAgentAnswerInvalid(self.endpoint, method, "the reply is not hex") from None
