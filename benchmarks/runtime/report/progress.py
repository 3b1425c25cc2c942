# SPDX-License-Identifier: Apache-2.0
"""How far a plan is, and how long it will take still: a bar on a terminal, lines elsewhere.

Colours are rich's business, which heeds NO_COLOR.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from benchmarks.runtime.plan import Plan

STARTING = "starting"


class Progress:
    """Knows from the steps done how long the others will take."""

    def __init__(self, plan: Plan, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr)
        self._left = [(step.system.name, step.streams) for step in _steps(plan)]
        starts = sum(system.missing is None for system in plan.systems)
        self._taken: dict[tuple[str, int], float] = {}
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
        """Around starting a system."""
        self._show(f"{STARTING} {system}")
        yield
        self._advance()

    @contextlib.contextmanager
    def step(self, system: str, streams: int) -> Iterator[None]:
        """Around a step of the plan."""
        self._show(f"{system}, {streams} stream{'s' if streams > 1 else ''}")
        began = time.monotonic()
        yield
        self._taken[system, streams] = time.monotonic() - began
        self._left.remove((system, streams))
        self._advance()

    @property
    def seconds_left(self) -> float | None:
        """None until one step is done. A step not yet done is taken to last as long as the mean
        one, by its streams.
        """
        if not self._taken:
            return None
        per_stream = sum(self._taken.values()) / sum(_weight(each[1]) for each in self._taken)
        return sum(self._taken.get(each, per_stream * _weight(each[1])) for each in self._left)

    def _show(self, what: str) -> None:
        self._bar.update(self._task, description=what)
        if not self._console.is_terminal:
            self._console.print(f"{self._done + 1}/{self._total} {what}{self._words()}")

    def _advance(self) -> None:
        self._done += 1
        self._bar.update(self._task, completed=self._done, left=self._words())

    def _words(self) -> str:
        left = self.seconds_left
        if left is None:
            return ""
        return f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left"


def _weight(streams: int) -> float:
    """Batches make several streams cheaper than one after the other."""
    return float(streams**0.6)


def _steps(plan: Plan) -> list:  # type: ignore[type-arg]
    return [step for number in range(plan.rounds) for step in plan.round(number)]
