# SPDX-License-Identifier: Apache-2.0
"""HTTP requests to a PCCS: bounded answers, one repetition when the service names a time, and what
its status codes mean. Knows nothing of collateral.

Codes: README of SGXDataCenterAttestationPrimitives' PCCS, and Intel's API documentation (PCS).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import requests

from teetee.chain.urls import is_web_address, public_url
from teetee.quotes.errors import CollateralInvalid, CollateralUnavailable, PccsAddressInvalid

TIMEOUT_SECONDS: Final = 20.0
MAX_RESPONSE_BYTES: Final = 1 << 23
"""The longest CRL that the contracts can take has 2 MiB, which some services write as hex."""
MAX_WAIT_SECONDS: Final = 60.0
"""The longest Retry-After that is waited for."""

_REPEATED: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_MEANINGS: Final[Mapping[int, str]] = {
    400: "it does not understand the request, and may serve another version of the API",
    401: "it requires credentials",
    403: "it refuses access",
    404: "it has no collateral for this kind of platform, or is no PCCS",
    410: "it no longer has collateral with this evaluation number",
    429: "too many requests",
    460: "the data that it stores is damaged",
    461: "it does not know this platform",
    462: "it has no certificates for this platform's firmware",
    500: "it failed",
    502: "it cannot reach Intel's service",
    503: "it is overloaded or under maintenance",
    504: "Intel's service does not answer it in time",
}


@dataclass(frozen=True)
class Answer:
    """The body and headers of a successful answer."""

    content: bytes
    headers: Mapping[str, str]
    """Case-insensitive."""


class PccsConnection:
    """Requests to one service. Calls raise `CollateralUnavailable` (retryable), or
    `CollateralInvalid` for an answer that is too long.
    """

    def __init__(
        self,
        url: str,
        versions: tuple[str, ...] = (),
        session: requests.Session | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`versions` are paths that the address may end with. Raises `PccsAddressInvalid`."""
        self._address = url.strip().rstrip("/")
        for version in versions:
            self._address = self._address.removesuffix(version)
        self.shown = public_url(url.strip())
        """The address as it was written, up to the port; user and path may be secret."""
        if not is_web_address(self._address):
            raise PccsAddressInvalid(self.shown)
        self._session = session or requests.Session()
        self._wait = wait

    def get(self, path: str, parameters: Mapping[str, str]) -> Answer:
        """An answer of this service."""
        return self._get(self._address + path, parameters, self.shown)

    def get_elsewhere(self, address: str) -> Answer:
        """An answer from another address."""
        return self._get(address, {}, public_url(address))

    def _get(self, address: str, parameters: Mapping[str, str], shown: str) -> Answer:
        response, content = self._receive(address, parameters, shown)
        seconds = _seconds_to_wait(response)
        if seconds is not None and seconds <= MAX_WAIT_SECONDS:
            self._wait(seconds)
            response, content = self._receive(address, parameters, shown)
        if response.status_code != HTTPStatus.OK:
            reason = _explained(response.status_code, _seconds_to_wait(response))
            raise CollateralUnavailable(shown, reason, status=response.status_code)
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise CollateralUnavailable(
                shown, "it answers with a web page, so the address is not that of a PCCS"
            )
        return Answer(content, response.headers)

    def _receive(
        self, address: str, parameters: Mapping[str, str], shown: str
    ) -> tuple[requests.Response, bytes]:
        parts, length = [], 0
        try:
            response = self._session.get(
                address, params=dict(parameters), timeout=TIMEOUT_SECONDS, stream=True
            )
            for part in response.iter_content(1 << 14):
                length += len(part)
                if length > MAX_RESPONSE_BYTES:
                    raise CollateralInvalid(
                        f"from {shown} has more than {MAX_RESPONSE_BYTES} bytes"
                    )
                parts.append(part)
        except (requests.RequestException, ValueError) as error:
            raise CollateralUnavailable(shown, _reason(error)) from None
        return response, b"".join(parts)


def _seconds_to_wait(response: requests.Response) -> float | None:
    """What Retry-After asks for, in seconds or as a date; None without a valid one."""
    asked = response.headers.get("Retry-After", "").strip()
    if response.status_code not in _REPEATED or not asked:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", asked):
        return float(asked)
    try:
        until = parsedate_to_datetime(asked).timestamp()
    except (ValueError, OverflowError):
        return None
    try:  # by the service's clock, if it tells its time
        now = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        now = time.time()
    return max(0.0, until - now)


def _explained(status: int, seconds: float | None) -> str:
    meaning = _MEANINGS.get(status)
    if meaning is None and 300 <= status < 400:
        meaning = "it redirects without naming a place"
    text = f"HTTP {status}" if meaning is None else f"HTTP {status}, {meaning}"
    return text if seconds is None else f"{text}; it asks for a pause of {seconds:.0f} s"


def _reason(error: Exception) -> str:
    # Never the error's own text: it contains the whole address.
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate is not trusted here"
    if isinstance(error, requests.exceptions.ProxyError):
        return "no connection through the proxy"
    if isinstance(error, requests.ConnectionError):
        cause = getattr(error.args[0], "reason", None) if error.args else None
        unknown = type(cause).__name__ == "NameResolutionError"
        return "no such host" if unknown else "no connection"
    if isinstance(error, requests.TooManyRedirects):
        return "it redirects in a circle"
    if isinstance(error, ValueError) and isinstance(error, requests.RequestException):
        return "it redirects to an address that is not http:// or https://"
    return type(error).__name__
