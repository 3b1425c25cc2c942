# SPDX-License-Identifier: Apache-2.0
"""Times and counts as people read them. Programs get the exact values by `--json`."""

from __future__ import annotations

from datetime import UTC, datetime


def format_minute(unix_seconds: int) -> str:
    """`2026-11-30 09:14 UTC`; `none` for 0."""
    if not unix_seconds:
        return "none"
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M} UTC"


def plural(count: int, noun: str) -> str:
    """`1 check`, `2 checks`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
