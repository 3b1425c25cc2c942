# SPDX-License-Identifier: Apache-2.0
"""Text by strangers cannot steer a terminal.

given text with control or direction-changing characters
    when it is made harmless
        it should keep what is seen, and nothing else
given pieces of a text
    when each is made harmless
        it should give the same as the whole
given seconds
    when they are shown
        it should name the two largest units
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.cli.output.terminal_text import harmless, one_line
from teetee.client.times import format_seconds


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred", "[31mred"),
        ("a\rb", "ab"),
        ("\x9b2J", "2J"),
        ("\u202eback", "back"),
        ("two\nlines\t.", "two\nlines\t."),
        ("👨\u200d👩", "👨\u200d👩"),
        ("alarm\x07", "alarm"),
    ],
)
def test_harmless__steering_characters__are_gone(text: str, seen: str) -> None:
    assert harmless(text) == seen


@given(st.text(), st.text())
def test_harmless__pieces__give_the_whole(first: str, second: str) -> None:
    assert harmless(first) + harmless(second) == harmless(first + second)


def test_one_line__line_breaks__become_blanks() -> None:
    assert one_line("a\nb\tc") == "a b c"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (250, "4 min 10 s"), (604_799, "6 d 23 h")],
)
def test_format_seconds__any__names_two_units(seconds: int, text: str) -> None:
    assert format_seconds(seconds) == text
