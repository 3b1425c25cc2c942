# SPDX-License-Identifier: Apache-2.0
"""Times and durations as people read them.

given a Unix second
    it should be written as a date in UTC
given a duration
    it should be written in its two largest units
"""

from __future__ import annotations

import pytest

from teetee.client.times import format_seconds, format_time


def test_format_time__any__is_a_date_in_utc() -> None:
    assert format_time(1795537307) == "2026-11-24 16:21:47 UTC"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (250, "4 min 10 s"), (86_400, "1 d"), (604_799, "6 d 23 h")],
)
def test_format_seconds__any__is_in_the_two_largest_units(seconds: int, text: str) -> None:
    assert format_seconds(seconds) == text
