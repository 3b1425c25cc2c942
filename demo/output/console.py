# SPDX-License-Identifier: Apache-2.0
"""Output for people: phases with their seconds, lines, tokens, tables.

A terminal gets colours and a spinner for the phase in progress; a pipe or a log gets plain lines.
rich reads NO_COLOR and TERM itself. With `--json`, this goes to stderr: stdout holds the report
only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console as Rich
from rich.markup import escape
from rich.status import Status
from rich.table import Table
from rich.text import Text

from teetee.cli.output.terminal_text import harmless

# Wide enough for a table's rows in a pipe.
PIPE_WIDTH = 160


class Console:
    """The output of one demo. It also measures the phases, because it prints their seconds."""

    def __init__(self, *, words_to_stderr: bool = False) -> None:
        # Now, not at import: a test or a pipe may have replaced the streams.
        stream = sys.stderr if words_to_stderr else sys.stdout
        width = None if stream.isatty() else PIPE_WIDTH
        self._rich = Rich(file=stream, highlight=False, soft_wrap=True, width=width)
        self._mid_line = False
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, title: str, *, moving: bool = True) -> Iterator[None]:
        """One phase: prints its begin, its end and its seconds. `moving` off: no spinner, because
        the phase prints lines itself.
        """
        started_at = time.monotonic()
        status = self._status(title) if moving and self._rich.is_terminal else None
        if status is None:
            self.say(f"… {title}", "dim")
        else:
            status.start()
        mark, style = "✗", "bold red"
        try:
            yield
            mark, style = "✓", "green"
        finally:
            if status is not None:
                status.stop()
            self.seconds[name] = round(time.monotonic() - started_at, 1)
            self.say(f"{mark} {title}  {self.seconds[name]:.1f} s", style)

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line."""
        self._end_line()
        self._rich.print(Text(harmless(text), style=style))

    def heading(self, text: str) -> None:
        """Print the first line of a section."""
        self.say()
        self.say(text, "bold")

    def piece(self, text: str) -> None:
        """Print a piece of an answer."""
        shown = harmless(text)
        self._rich.file.write(shown)
        self._rich.file.flush()
        if shown:
            self._mid_line = not shown.endswith("\n")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Print rows under a title. A column whose name begins with # is right-aligned."""
        table = Table(
            title=Text(title, style="bold") if title else None,
            title_justify="left",
            box=None,
            pad_edge=False,
        )
        for column in columns:
            table.add_column(
                escape(column.removeprefix("#")),
                justify="right" if column.startswith("#") else "left",
                header_style="dim",
            )
        for row in rows:
            table.add_row(*(Text(harmless(cell)) for cell in row))
        self.say()
        self._rich.print(table, soft_wrap=False)

    def _status(self, title: str) -> Status:
        return self._rich.status(escape(title), spinner="dots")

    def _end_line(self) -> None:
        if self._mid_line:
            self._rich.file.write("\n")
            self._mid_line = False
