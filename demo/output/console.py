# SPDX-License-Identifier: Apache-2.0
"""What a person sees: phases with their seconds, notes, tokens, tables.

A terminal gets colour and a moving line for the phase at work; a pipe or a log gets plain lines.
rich looks at NO_COLOR and TERM itself. With `--json`, words go to stderr: stdout holds the report
alone.
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

# Rows in a pipe are kept on one line each.
PIPE_WIDTH = 160


class Console:
    """All words of one demo. Measures the phases as well, since it says how long they took."""

    def __init__(self, *, words_to_stderr: bool = False) -> None:
        # Made now, not at import: a test or a pipe may have replaced the streams.
        stream = sys.stderr if words_to_stderr else sys.stdout
        width = None if stream.isatty() else PIPE_WIDTH
        self._rich = Rich(file=stream, highlight=False, soft_wrap=True, width=width)
        self._mid_line = False
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, title: str, *, moving: bool = True) -> Iterator[None]:
        """One phase: says what begins, and how long it took. `moving` off where the phase prints
        lines of its own making.
        """
        begun = time.monotonic()
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
            self.seconds[name] = round(time.monotonic() - begun, 1)
            self.say(f"{mark} {title}  {self.seconds[name]:.1f} s", style)

    def say(self, text: str = "", style: str = "") -> None:
        """A line."""
        self._end_line()
        self._rich.print(Text(harmless(text), style=style))

    def heading(self, text: str) -> None:
        """A line that begins a part."""
        self.say()
        self.say(text, "bold")

    def piece(self, text: str) -> None:
        """Some of an answer, as it comes."""
        shown = harmless(text)
        self._rich.file.write(shown)
        self._rich.file.flush()
        if shown:
            self._mid_line = not shown.endswith("\n")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Rows under a title. A column whose name begins with # is right-aligned; one whose name
        ends with … is cut where the line ends.
        """
        table = Table(
            title=Text(title, style="bold") if title else None,
            title_justify="left",
            box=None,
            pad_edge=False,
            expand=any(column.endswith("…") for column in columns),
        )
        for column in columns:
            cut = column.endswith("…")
            table.add_column(
                escape(column.removeprefix("#").removesuffix("…")),
                justify="right" if column.startswith("#") else "left",
                overflow="ellipsis" if cut else "fold",
                no_wrap=cut or table.expand,
                ratio=1 if cut else None,
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
