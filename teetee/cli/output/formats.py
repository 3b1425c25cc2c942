# SPDX-License-Identifier: Apache-2.0
"""Times and counts as people read them. Programs get the exact values by `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def format_minute(unix_seconds: int) -> str:
    """`2026-11-30 09:14 UTC`; `none` for 0."""
    if not unix_seconds:
        return "none"
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M} UTC"


def plural(count: int, noun: str) -> str:
    """`1 check`, `2 checks`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shard_names(shard_ids: Sequence[int]) -> str:
    """`shard 4`, or `shards 4, 7 and 9`."""
    *others, last = (str(shard_id) for shard_id in shard_ids)
    return f"shards {', '.join(others)} and {last}" if others else f"shard {last}"
