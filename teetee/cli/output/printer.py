# SPDX-License-Identifier: Apache-2.0
"""Where words go: results to stdout, talk with a person to stderr, and with `--json` one JSON value
to stdout.

rich looks at NO_COLOR, TERM and whether the stream is a terminal; without one, no colour and no
live display.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from teetee.cli.output.terminal_text import harmless, one_line

# A pipe gets a line for each row: its reader may cut columns, but not join lines.
PIPE_COLUMNS = 400
STYLES = {"good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim", "": ""}


class Printer:
    """All output of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        # Made now, not at import: a test or a pipe may have replaced the streams.
        self._out = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        if not self._out.is_terminal:
            self._out.width = PIPE_COLUMNS
        self._err = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._mid_line = False
        self._as_lines = False

    @property
    def live(self) -> bool:
        """Whether an answer should appear while it is made."""
        return not self.as_json and self._out.is_terminal

    def say(self, text: str, style: str = "") -> None:
        """A line for the person; never part of the result."""
        self._end_line()
        self._err.print(Text(harmless(text), style=STYLES[style]))

    def warn(self, text: str) -> None:
        """Something the person should know, which stops nothing."""
        self.say(f"warning: {text}", "warn")

    def fail(self, text: str) -> None:
        """Why it did not work, and what to do."""
        self.say(f"error: {text}", "bad")

    def piece(self, text: str) -> None:
        """Some of an answer, as it comes."""
        shown = harmless(text) if self._out.is_terminal else text
        sys.stdout.write(shown)
        sys.stdout.flush()
        if shown:
            self._mid_line = not shown.endswith("\n")

    def line(self, text: str) -> None:
        """One line of a result."""
        self._end_line()
        self._out.print(Text(harmless(text)))

    def event(self, value: Any) -> None:
        """Something on the way, as one line of JSON; the result then is one line as well."""
        self._as_lines = True
        self._write_json(value)

    def result(self, value: Any) -> None:
        """The machine's result; only with `--json`."""
        if self.as_json:
            self._write_json(value)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Rows of a result; a cell that begins with ✓ or ✗ gets its colour."""
        table = Table(
            title=Text(title) if title else None, title_justify="left", box=None, pad_edge=False
        )
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(cell) for cell in row))
        self._end_line()
        # With soft_wrap, a table would run out of the terminal.
        self._out.print(table, soft_wrap=False)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner on stderr while something takes time, where stderr is a terminal."""
        if self.as_json or not self._err.is_terminal or self._mid_line:
            yield
            return
        with self._err.status(Text(text)):
            yield

    def _write_json(self, value: Any) -> None:
        indent = None if self._as_lines else 2
        sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def _end_line(self) -> None:
        if self._mid_line:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._mid_line = False


def _cell(text: str) -> Text:
    cell = Text(one_line(text))
    for mark, style in (("✓", "good"), ("✗", "bad")):
        if text.startswith(mark):
            cell.stylize(STYLES[style])
    return cell
