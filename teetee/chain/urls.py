# SPDX-License-Identifier: Apache-2.0
"""URLs of services, for messages: without the parts where providers put keys."""

import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?::/+|//+)")
_WEB_ADDRESS = re.compile(
    r"https?://(?:\[[0-9A-F:.%]+\]|[^\s\[\]:/]+)(?::(?P<port>\d{1,5}))?", re.IGNORECASE
)


def public_url(url: str) -> str:
    """Scheme, host and port as they were written, so that a typo remains visible."""
    scheme = _SCHEME.match(url)
    start = scheme[0] if scheme else ""
    place = re.split(r"[/?#]", url[len(start) :], maxsplit=1)[0]
    return start + place.rpartition("@")[2]


def is_web_address(url: str) -> bool:
    """Whether it begins with http:// or https:// and a host, and has a possible port."""
    found = _WEB_ADDRESS.fullmatch(public_url(url))
    return found is not None and 0 < int(found["port"] or 1) < 1 << 16
