# SPDX-License-Identifier: Apache-2.0
"""Progress of a schedule and the remaining time: a bar on a terminal, lines elsewhere.

rich decides about colours and honours NO_COLOR.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from benchmarks.runtime.schedule.schedule import Schedule, Turn

STARTING = "starting"


class Progress:
    """Estimates the remaining time from the turns done."""

    def __init__(self, schedule: Schedule, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr)
        self._left = [(turn.system.name, turn.streams) for turn in _all_turns(schedule)]
        starts = sum(system.unavailable_reason is None for system in schedule.systems)
        self._seconds: dict[tuple[str, int], float] = {}
        self._done, self._total = 0, starts + len(self._left)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(STARTING, total=self._total, left="")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @contextlib.contextmanager
    def start(self, system: str) -> Iterator[None]:
        """Wraps the start of a system."""
        self._show(f"{STARTING} {system}")
        yield
        self._advance()

    @contextlib.contextmanager
    def turn(self, system: str, streams: int) -> Iterator[None]:
        """Wraps one turn of the schedule."""
        self._show(f"{system}, {streams} stream{'s' if streams > 1 else ''}")
        began = time.monotonic()
        yield
        self._seconds[system, streams] = time.monotonic() - began
        self._left.remove((system, streams))
        self._advance()

    @property
    def seconds_left(self) -> float | None:
        """None until one turn is done. Estimates a new turn by the mean time per stream weight."""
        if not self._seconds:
            return None
        per_stream = sum(self._seconds.values()) / sum(_weight(each[1]) for each in self._seconds)
        return sum(self._seconds.get(each, per_stream * _weight(each[1])) for each in self._left)

    def _show(self, what: str) -> None:
        self._bar.update(self._task, description=what)
        if not self._console.is_terminal:
            self._console.print(f"{self._done + 1}/{self._total} {what}{self._remaining()}")

    def _advance(self) -> None:
        self._done += 1
        self._bar.update(self._task, completed=self._done, left=self._remaining())

    def _remaining(self) -> str:
        left = self.seconds_left
        if left is None:
            return ""
        return f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left"


def _weight(streams: int) -> float:
    """Several streams in a batch are cheaper than one after the other."""
    return float(streams**0.6)


def _all_turns(schedule: Schedule) -> list[Turn]:
    return [turn for number in range(schedule.rounds) for turn in schedule.turns(number)]
