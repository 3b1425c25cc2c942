# SPDX-License-Identifier: Apache-2.0
"""What goes where, on a terminal and without one.

given a terminal
    when an answer comes in pieces
        it should appear as it comes, without what steers a terminal
    when a warning comes in the middle of a line
        it should begin on a line of its own
given no terminal
    when an answer is written
        it should be byte for byte what it is
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest

from teetee.cli.output.printer import Printer


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """stdout and stderr of one window."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    window = Terminal()
    with redirect_stdout(window), redirect_stderr(window):
        yield window


def test_piece__on_a_terminal__appears_without_steering(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as window:
        printer = Printer(as_json=False)
        assert printer.live
        printer.piece("Ja")
        printer.piece("\x1b[2Jnus\n")
    assert window.getvalue() == "Ja[2Jnus\n"


def test_warn__in_the_middle_of_a_line__begins_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as window:
        printer = Printer(as_json=False)
        printer.piece("Ja")
        printer.warn("the stream broke off")
    assert window.getvalue() == "Ja\nwarning: the stream broke off\n"


def test_piece__no_terminal__is_byte_for_byte(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(as_json=False)
    assert not printer.live
    printer.piece("a\x1b[31m [bold]b[/bold]\n")
    assert capsys.readouterr().out == "a\x1b[31m [bold]b[/bold]\n"


def test_table__strangers_text__is_no_markup_and_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Printer(as_json=False).table(("name",), [("[red]x[/red]\n\x1b[2Jy",)])
    out = capsys.readouterr().out
    assert "[red]x[/red] [2Jy" in out
    assert "\x1b" not in out


def test_table__long_cells_without_a_terminal__stay_on_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Printer(as_json=False).table(("a", "b"), [("0x" + "f" * 64, "0x" + "e" * 64)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_result__events_before__is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(as_json=True)
    printer.json_lines = True
    printer.event({"text": "Ja"})
    printer.result({"answer": "Ja", "checks": [1, 2]})
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"text": "Ja"},
        {"answer": "Ja", "checks": [1, 2]},
    ]


def test_result__without_json__is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    Printer(as_json=False).result({"answer": "Ja"})
    assert capsys.readouterr().out == ""
