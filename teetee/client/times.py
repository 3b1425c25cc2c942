# SPDX-License-Identifier: Apache-2.0
"""Times and durations as people read them. In JSON they are whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime

LAST_SECOND = 253_402_300_799
"""Of the year 9999, where calendars end."""
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def format_time(unix_seconds: int) -> str:
    """`1795537307` → `2026-11-24 16:21:47 UTC`."""
    return f"{datetime.fromtimestamp(min(unix_seconds, LAST_SECOND), UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_seconds(seconds: int) -> str:
    """The two largest units: `6 d 23 h`, `4 min 10 s`, `0 s`."""
    parts: list[str] = []
    for size, name in UNITS:
        if seconds >= size or (name == "s" and not parts):
            parts.append(f"{seconds // size} {name}")
            seconds %= size
        if len(parts) == 2:
            break
    return " ".join(parts)
