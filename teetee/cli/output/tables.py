# SPDX-License-Identifier: Apache-2.0
"""Tables as lines of text, in which no address, id, hash or endpoint is ever broken or shortened.

A table that is wider than the terminal becomes one block per row. Without a terminal there is no
width to keep to: every row is one line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len

GAP = "  "
Row = Sequence[str]


def table_lines(
    columns: Row, rows: Sequence[Row], *, width: int | None, lead: int = 1
) -> list[str]:
    """A line of headings and a line per row; or blocks, if that is wider than `width`.

    `lead`: the number of columns that stand together in the first line of a block.
    """
    if not rows:
        return []
    lines = _aligned([columns, *rows])
    if width is None or max(cell_len(line) for line in lines) <= width:
        return lines
    return [line for row in rows for line in _block(columns, row, width, lead)]


def record_lines(fields: Sequence[tuple[str, str]], *, width: int | None) -> list[str]:
    """A line per field, its name first. A long text continues below, broken between words only."""
    names = max((cell_len(name) for name, _ in fields), default=0)
    lines = []
    for name, value in fields:
        head = name + " " * (names - cell_len(name)) + GAP
        lines += [
            (head if index == 0 else " " * len(head)) + part
            for index, part in enumerate(_wrapped(value, width, len(head)))
        ]
    return [line.rstrip() for line in lines]


def _aligned(rows: Sequence[Row]) -> list[str]:
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        GAP.join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _block(columns: Row, row: Row, width: int, lead: int) -> list[str]:
    first = [
        f"{name} {cell}".strip() for name, cell in zip(columns[:lead], row[:lead], strict=True)
    ]
    rest = [(name, cell) for name, cell in zip(columns[lead:], row[lead:], strict=True) if cell]
    indent = " " * 2
    fields = record_lines(rest, width=width - len(indent))
    return [GAP.join(first), *(indent + line for line in fields)]


def _wrapped(text: str, width: int | None, indent: int) -> list[str]:
    if width is None or indent + cell_len(text) <= width:
        return [text]
    return textwrap.wrap(
        text, max(width - indent, 1), break_long_words=False, break_on_hyphens=False
    ) or [""]
