# SPDX-License-Identifier: Apache-2.0
"""Tables and records keep to a terminal's width without breaking what one copies.

given rows that fit the terminal, or no terminal
    it should print a line of headings and a line per row
given rows that are wider
    it should print a block per row, the leading cells in its first line
given any text with addresses, hashes and commands
    it should never break one of them, and break lines between words only
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teetee.cli.output.tables import record_lines, table_lines, wrapped

ADDRESS = "0x86E52F39D0a6c8E7B6BEFc811369915967a12C55"
HASH = "0x" + "5b" * 32
COLUMNS = ("shard", "layers", "host", "quote")
ROWS = [("1", "0-8", ADDRESS, HASH), ("12", "8-30", ADDRESS, "")]


def test_table__no_terminal__one_line_per_row() -> None:
    assert table_lines(COLUMNS, ROWS, width=None) == [
        f"shard  layers  host{' ' * 38}  quote",
        f"1      0-8     {ADDRESS}  {HASH}",
        f"12     8-30    {ADDRESS}",
    ]


def test_table__too_wide__is_a_block_per_row() -> None:
    assert table_lines(COLUMNS, ROWS, width=78, lead=("shard {}", "layers {}")) == [
        "shard 1  layers 0-8",
        f"  host   {ADDRESS}",
        f"  quote  {HASH}",
        "shard 12  layers 8-30",
        f"  host  {ADDRESS}",
    ]


def test_table__no_rows__is_nothing() -> None:
    assert table_lines(COLUMNS, [], width=80) == []


def test_record__long_prose__goes_on_below_its_value() -> None:
    assert record_lines([("host", ADDRESS), ("note", "one two three")], width=14) == [
        f"host  {ADDRESS}",
        "note  one two",
        "      three",
    ]


def test_wrapped__a_command__stays_whole() -> None:
    assert wrapped("Run `teetee shards --probe` now.", 20) == [
        "Run",
        "`teetee shards --probe`",
        "now.",
    ]


@given(
    st.lists(st.sampled_from(["word", "a", ADDRESS, HASH, "`teetee wallet send`"]), min_size=1),
    st.integers(1, 100),
)
def test_wrapped__any_words__none_is_broken_or_lost(words: list[str], width: int) -> None:
    lines = wrapped(" ".join(words), width)
    assert " ".join(lines) == " ".join(words)
    assert all(len(line) <= width or line in {*words} for line in lines)
