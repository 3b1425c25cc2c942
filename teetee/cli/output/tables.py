# SPDX-License-Identifier: Apache-2.0
"""Tables as lines of text, in which no address, id, hash or endpoint is ever broken or shortened.

A table that is wider than the terminal becomes one block per row. Without a terminal there is no
width to keep to: every row is one line.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from rich.cells import cell_len

GAP = "  "
INDENT = "  "
Row = Sequence[str]

COMMAND = re.compile(r"`[^`]*`")
GLUE = "\x00"


def table_lines(
    columns: Row, rows: Sequence[Row], *, width: int | None, lead: Sequence[str] = ()
) -> list[str]:
    """A line of headings and a line per row; or blocks, if that is wider than `width`.

    `lead`: how the first cells read in the first line of a block, such as `shard {}`.
    """
    if not rows:
        return []
    lines = _aligned([columns, *rows] if any(columns) else rows)
    if width is None or max(cell_len(line) for line in lines) <= width:
        return lines
    lead = lead or (f"{columns[0]} {{}}",)
    return [line for row in rows for line in _block(columns, row, width, lead)]


def record_lines(fields: Sequence[tuple[str, str]], *, width: int | None) -> list[str]:
    """A line per field, its name first. A long text continues below it."""
    names = max((cell_len(name) for name, _ in fields), default=0)
    lines = []
    for name, value in fields:
        first, *more = wrapped(value, None if width is None else width - names - len(GAP))
        lines.append(_padded(name, names) + GAP + first)
        lines += [" " * names + GAP + line for line in more]
    return [line.rstrip() for line in lines]


def wrapped(text: str, width: int | None) -> list[str]:
    """Lines of at most `width` columns, broken between words only, and not inside `a command`."""
    if width is None or cell_len(text) <= width:
        return [text]
    glued = COMMAND.sub(lambda match: match[0].replace(" ", GLUE), text)
    lines = textwrap.wrap(glued, max(width, 1), break_long_words=False, break_on_hyphens=False)
    return [line.replace(GLUE, " ") for line in lines] or [""]


def _aligned(rows: Sequence[Row]) -> list[str]:
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        GAP.join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _block(columns: Row, row: Row, width: int, lead: Sequence[str]) -> list[str]:
    first = [form.format(cell) for form, cell in zip(lead, row, strict=False) if cell]
    rest = list(zip(columns, row, strict=True))[len(lead) :]
    fields = [(name, cell) for name, cell in rest if cell]
    return [
        GAP.join(first),
        *(INDENT + line for line in record_lines(fields, width=width - len(INDENT))),
    ]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))
