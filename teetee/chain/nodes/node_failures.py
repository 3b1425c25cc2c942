# SPDX-License-Identifier: Apache-2.0
"""Why a node gave no usable answer, and how long to wait before it is asked again. Pure, except for
the clock of an HTTP date.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

import requests

# Infura -32005, QuickNode -32007, Base's public nodes -32016; some repeat the HTTP status.
_BUSY_CODES = frozenset({-32005, -32007, -32016, -32029, 429})
_BUSY_WORDS = (
    "rate limit",
    "rate-limit",
    "ratelimit",
    "rate exceeded",
    "too many requests",
    "capacity",
    "compute units",
    "request limit",
    "throttl",
)
# eth_getLogs is also refused with a busy code because of what was asked for.
_RANGE_WORDS = ("range", "results", "response size", "blocks", "timeout")
_URL_RULE = "not an address that begins with http:// or https:// and a host"
_BUSY_STATUS = 429
_FIRST_SERVER_STATUS = 500
_MAX_BACKOFF_SECONDS = 1e9  # a longer integer may not fit a float


class FailureKind(Enum):
    """What may help."""

    BUSY = "over its rate limit"
    """Waiting: the node works."""
    LOST = "no answer"
    """Asking once more, if the node has worked before."""
    WRONG_CHAIN = "another chain"
    """Nothing."""
    OTHER = "not an answer"
    """Another node."""


@dataclass(frozen=True, slots=True)
class NodeFailure:
    """Why one node gave no usable answer."""

    reason: str
    """For people; contains no part of the URL."""
    kind: FailureKind
    retry_after: float | None = None
    """Seconds that the node asks to wait."""
    chain_id: int | None = None
    """The other chain that it serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long a request is tried again after every node has failed."""

    busy_retries: int = 5
    """For nodes that are over their rate limit and do not say how long to wait."""
    max_asked_seconds: float = 60.0
    """The total of the waits that nodes ask for."""
    lost_retries: int = 3
    """For nodes that have worked before, whose connection broke off or whose server failed."""
    first_pause_seconds: float = 0.5
    """Doubled with each retry, unless the node says how long to wait."""


NO_RETRY = RetryPolicy(busy_retries=0, max_asked_seconds=0.0, lost_retries=0)


def pause_before_retry(
    failures: Collection[NodeFailure],
    *,
    attempt: int,
    waited: float,
    has_answered: bool,
    policy: RetryPolicy,
) -> float | None:
    """Seconds to wait after every node has failed; None: give up.

    `attempt` counts from 0, `waited` is the total so far in seconds, `has_answered`: whether any
    node has worked before.
    """
    asked_for = [each.retry_after for each in failures if each.retry_after is not None]
    if asked_for:
        pause = min(asked_for)
        return pause if waited + pause <= policy.max_asked_seconds else None
    kinds = {failure.kind for failure in failures}
    retries = policy.lost_retries if FailureKind.LOST in kinds and has_answered else 0
    if FailureKind.BUSY in kinds:
        retries = policy.busy_retries
    return policy.first_pause_seconds * 2**attempt if attempt < retries else None


def failure_of_response(
    method: str, parameters: Any, response: Mapping[str, Any]
) -> NodeFailure | None:
    """The failure that a JSON-RPC error stands for; None: it is an answer of the node."""
    error = response.get("error")
    if not isinstance(error, Mapping):
        return None
    message = str(error.get("message", "")).lower()
    has_words = any(word in message for word in _BUSY_WORDS)
    code = error.get("code", 0)
    if not has_words and not isinstance(code, int):
        return NodeFailure("the code of its error is no integer", FailureKind.OTHER)
    if not has_words and code not in _BUSY_CODES:
        return None
    if method == "eth_getLogs" and _is_about_range(message, has_words, parameters):
        return None
    return _busy("the node is over its rate limit", _backoff_seconds(error.get("data")))


def failure_of_exception(error: requests.RequestException) -> NodeFailure:
    """The failure of a request without a response. Its own text is dropped: it contains the URL
    with its key.
    """
    if isinstance(error, requests.Timeout):
        return NodeFailure("no answer in time", FailureKind.LOST)
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return NodeFailure("no connection", FailureKind.LOST)
    is_about_url = isinstance(error, ValueError)  # requests' errors about the URL itself
    return NodeFailure(_URL_RULE if is_about_url else type(error).__name__, FailureKind.OTHER)


def failure_of_status(status: int, wish: str | None) -> NodeFailure:
    """The failure that an HTTP status stands for; `wish` is the header Retry-After."""
    retry_after = _retry_after(wish)
    if status == _BUSY_STATUS:
        return _busy(f"HTTP {status}", retry_after)
    kind = FailureKind.LOST if status >= _FIRST_SERVER_STATUS else FailureKind.OTHER
    if kind is FailureKind.LOST and retry_after is not None:
        return _busy(f"HTTP {status}", retry_after)
    return NodeFailure(f"HTTP {status}", kind)


def _is_about_range(message: str, has_words: bool, parameters: Any) -> bool:
    """Whether a smaller range helps; where the message does not say, if there is one."""
    if any(word in message for word in _RANGE_WORDS):
        return True
    asked = parameters[0] if isinstance(parameters, list | tuple) and parameters else None
    is_range = isinstance(asked, Mapping) and asked.get("fromBlock") != asked.get("toBlock")
    return is_range and not has_words


def _busy(reason: str, retry_after: float | None) -> NodeFailure:
    wish = "" if retry_after is None else f" and asks to wait {retry_after:g} s"
    return NodeFailure(reason + wish, FailureKind.BUSY, retry_after)


def _backoff_seconds(data: object) -> float | None:
    """Infura's `{"rate": {"backoff_seconds": 30}}`."""
    rate = data.get("rate") if isinstance(data, Mapping) else None
    seconds = rate.get("backoff_seconds") if isinstance(rate, Mapping) else None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0:
        return float(min(seconds, _MAX_BACKOFF_SECONDS))
    return None


def _retry_after(text: str | None) -> float | None:
    """Seconds, from a number or an HTTP date."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
