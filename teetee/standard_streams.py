# SPDX-License-Identifier: Apache-2.0
"""The process's standard streams: closed ones, pipes without a reader, full disks, and encodings
that lack a character.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO, TypeVar

from teetee.errors import Fatal

T = TypeVar("T")

ENCODING_GAPS = "backslashreplace"


READER_ENDED = 128 + signal.SIGPIPE
"""The exit status of a command whose output is no longer read, as of those that the signal ends:
of `teetee verify N | head -1`, 1 would mean a failed check."""


class OutputLost(Fatal):
    """Standard output takes no more text. `status`: the exit status, if it is a special one."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(
            f"The output cannot be written ({reason}). Give the command a standard output that "
            "stays open, or a file on a disk with free space."
        )


def open_streams() -> None:
    """Make the standard streams usable, whatever the caller closed. Raises `OutputLost` if there is
    no standard output: an answer would be paid for and lost.
    """
    # In this order: each takes the number of a closed stream, which the next file would get.
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if no_output := sys.stdout is None:
        sys.stdout = _devnull()
    if sys.stderr is None:
        sys.stderr = _devnull()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors=ENCODING_GAPS)  # type: ignore[union-attr]
    if no_output:
        raise OutputLost("it is closed")


def run_with_streams(run: Callable[[], object], status: int) -> None:
    """Run a whole command. If its output is lost, end with one sentence and that status: help texts
    and library code print past `GuardedOutput`.
    """
    try:
        open_streams()
        run()
    except (OutputLost, OSError) as error:
        _end_without_output(error, status)
    except SystemExit as ending:
        try:
            sys.stdout.flush()
        except OSError as error:
            if not ending.code:
                _end_without_output(error, status)
            discard(sys.stdout)
        raise


def _end_without_output(error: Exception, status: int) -> NoReturn:
    discard(sys.stdout)
    lost = error if isinstance(error, OutputLost) else _lost(error)
    print(f"error: {lost}", file=GuardedMessages(sys.stderr))
    raise SystemExit(lost.status or status) from None


def takes_unicode(stream: TextIO) -> bool:
    """Whether its encoding has every character; else JSON escapes what it may lack."""
    return str(stream.encoding).lower().startswith("utf")


def _devnull() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


class GuardedOutput:
    """Standard output. Once it fails, every call raises `OutputLost`: no later text may seem to
    arrive. The stream itself then leads nowhere, so that no flush at the end of the process fails.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost: OutputLost | None = None

    def write(self, text: str) -> int:
        """All of `text`, to the buffer."""
        return self._guarded(lambda: self._stream.write(text))

    def flush(self) -> None:
        """The buffer, to the reader."""
        self._guarded(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _guarded(self, action: Callable[[], T]) -> T:
        if self._lost is not None:
            raise self._lost
        try:
            return action()
        except (OSError, ValueError) as error:
            self._lost = _lost(error)
            discard(self._stream)
            raise self._lost from None


class GuardedMessages(GuardedOutput):
    """Standard error. What it cannot take is dropped: a message must not stop a paid request."""

    def write(self, text: str) -> int:
        """As much as it takes."""
        with contextlib.suppress(OutputLost):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """As much as it takes."""
        with contextlib.suppress(OutputLost):
            super().flush()


def _lost(error: Exception) -> OutputLost:
    """Why a stream takes no text."""
    if isinstance(error, BrokenPipeError):
        return OutputLost("the program that reads it has ended", READER_ENDED)
    if isinstance(error, UnicodeEncodeError):
        return OutputLost(f"its encoding, {error.encoding}, lacks a character")
    return OutputLost(getattr(error, "strerror", None) or "it is closed")


def discard(stream: TextIO) -> None:
    """Point a stream of this process at nothing."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
