# SPDX-License-Identifier: Apache-2.0
"""Where output goes: results to stdout, messages to stderr, and with `--json` one JSON value to
stdout.

rich reads NO_COLOR, TERM and whether a stream is a terminal; without one, no colour and no spinner.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console
from rich.status import Status
from rich.text import Text

from teetee.cli.output.tables import INDENT, Row, record_lines, table_lines, wrapped
from teetee.cli.output.terminal_text import harmless, one_line
from teetee.standard_streams import GuardedMessages, GuardedOutput, takes_unicode

STYLES = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "dim": "dim",
    "title": "bold",
    "": "",
}
MARKS = {"✓": "good", "✗": "bad"}

SpinnerText = str | Callable[[], str]
SetText = Callable[[str], None]


class _SpinnerLine:
    """What stands beside a spinner: drawn again and again, so a function can count down."""

    def __init__(self) -> None:
        self.text: SpinnerText = ""

    def set_text(self, text: str) -> None:
        self.text = text

    def __rich__(self) -> Text:
        return Text(self.text if isinstance(self.text, str) else self.text(), overflow="ellipsis")


class Printer:
    """All output of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        # Created now, not at import: a test or a pipe may have replaced the streams.
        self._stdout = cast(TextIO, GuardedOutput(sys.stdout))
        self._out = Console(file=self._stdout, highlight=False, soft_wrap=True)
        messages = cast(TextIO, GuardedMessages(sys.stderr))
        self._err = Console(file=messages, highlight=False, soft_wrap=True)
        self._mid_line = False
        self.json_lines = False
        """Whether each JSON value is one line, because several follow one another."""
        self._spinner: Status | None = None
        self._spinner_line = _SpinnerLine()

    @property
    def live(self) -> bool:
        """Whether an answer is shown while it is generated."""
        return not self.as_json and self._out.is_terminal

    @property
    def _width(self) -> int | None:
        """Columns of the terminal; None in a pipe."""
        return self._out.width if self._out.is_terminal else None

    # ------------------------------------------------------------ messages, to stderr

    def say(self, text: str, style: str = "") -> None:
        """A line for the user; never part of the result."""
        self._end_line()
        width = self._err.width if self._err.is_terminal else None
        for line in wrapped(harmless(text), width):
            self._err.print(Text(line, style=STYLES[style]))

    def warn(self, text: str) -> None:
        """Something the user should know and that stops nothing."""
        self.say(f"warning: {text}", "warn")

    def fail(self, text: str) -> None:
        """Why the command failed, and what to do."""
        self.say(f"error: {text}", "bad")

    @contextmanager
    def waiting(self, text: SpinnerText) -> Iterator[SetText]:
        """A spinner on stderr, if that is an interactive terminal. Yields a function that changes
        its text; an inner spinner takes over the outer one's line.
        """
        if self.as_json or not self._err.is_interactive or self._mid_line:
            yield lambda _: None
            return
        line = self._spinner_line
        if self._spinner is None:
            line.text = text
            self._spinner = self._err.status(line)
            try:
                with self._spinner:
                    yield line.set_text
            finally:
                self._spinner = None
            return
        outer, line.text = line.text, text
        try:
            yield line.set_text
        finally:
            line.text = outer

    # ------------------------------------------------------------ results, to stdout

    def piece(self, text: str) -> None:
        """A part of an answer, as it arrives."""
        if self._spinner is not None:
            self._spinner.stop()
        shown = harmless(text) if self._out.is_terminal else text
        self._write(shown)
        if shown:
            self._mid_line = not shown.endswith("\n")

    def line(self, text: str, style: str = "") -> None:
        """A line of a result. A leading ✓ or ✗ is coloured."""
        self._end_line()
        self._out.print(_coloured(harmless(text), style))

    def table(
        self,
        columns: Row,
        rows: Sequence[Row],
        *,
        title: str = "",
        lead: Sequence[str] = (),
    ) -> None:
        """Rows of a result, as `tables.table_lines` lays them out."""
        clean = [[one_line(cell) for cell in row] for row in rows]
        width = None if self._width is None else self._width - len(INDENT)
        self._print_lines(title, table_lines(columns, clean, width=width, lead=lead))

    def record(self, fields: Sequence[tuple[str, str]], *, title: str = "") -> None:
        """Named values of a result, one a line."""
        clean = [(name, one_line(value)) for name, value in fields]
        width = None if self._width is None else self._width - len(INDENT)
        self._print_lines(title, record_lines(clean, width=width))

    def bullet(self, text: str) -> None:
        """A sentence of a result that begins with a mark; a terminal's width breaks it."""
        first, *more = wrapped(one_line(text), self._width and self._width - 2 * len(INDENT))
        for line in (INDENT + first, *(2 * INDENT + line for line in more)):
            self.line(line)

    def event(self, value: Any) -> None:
        """An intermediate result as one line of JSON."""
        self._write_json(value)

    def result(self, value: Any) -> None:
        """The result for programs; only with `--json`."""
        if self.as_json:
            self._write_json(value)

    def _print_lines(self, title: str, lines: Sequence[str]) -> None:
        if title:
            self.line(title, "title")
        for line in lines:
            self.line(INDENT + line if title else line)

    def _write_json(self, value: Any) -> None:
        indent = None if self.json_lines else 2
        ensure_ascii = not takes_unicode(self._stdout)
        self._write(json.dumps(value, indent=indent, ensure_ascii=ensure_ascii) + "\n")

    def _end_line(self) -> None:
        if self._mid_line:
            self._mid_line = False
            self._write("\n")

    def _write(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()


def _coloured(text: str, style: str) -> Text:
    """With its ✓ and ✗ in their colours."""
    line = Text(text, style=STYLES[style])
    for mark, name in MARKS.items():
        line.highlight_words([mark], style=STYLES[name])
    return line
