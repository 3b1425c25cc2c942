# SPDX-License-Identifier: Apache-2.0
"""Progress of a benchmark.

given a terminal
    it should show a bar with the remaining time, without colours if NO_COLOR is set
given no terminal
    it should print a line per turn, without control characters
"""

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.runtime.measurement.workload import FP32, FULL
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.schedule.progress import Progress
from benchmarks.runtime.schedule.schedule import Schedule
from benchmarks.runtime.systems.ring import Ring

MODEL = BenchmarkModel("model", Path("nowhere"), None)


def run_progress(console: Console) -> None:
    ring = Ring(MODEL, FULL, 2, 1, FP32)
    schedule = Schedule(MODEL, FULL, {ring: frozenset({1, 8})}, {1: 2, 8: 1})
    with Progress(schedule, console) as progress:
        with progress.start(ring.name):
            pass
        assert progress.seconds_left is None
        for number in range(schedule.rounds):
            for turn in schedule.turns(number):
                with progress.turn(ring.name, turn.streams):
                    pass
        assert progress.seconds_left == 0


def test_progress__no_terminal__is_plain_lines() -> None:
    written = io.StringIO()
    run_progress(Console(file=written))
    assert "\x1b" not in written.getvalue()
    lines = written.getvalue().splitlines()
    assert lines[0] == "1/4 starting teetee fp32 2 × 1"
    assert lines[2].startswith("3/4 teetee fp32 2 × 1, 8 streams, about")
    assert len(lines) == 4


@pytest.mark.parametrize("no_colour", [False, True])
def test_progress__terminal__is_a_bar(no_colour: bool) -> None:
    written = io.StringIO()
    run_progress(Console(file=written, force_terminal=True, no_color=no_colour, width=120))
    text = written.getvalue()
    assert "4/4" in text or "3/4" in text
    coloured = any(f"\x1b[{code}" in text for code in ("3", "38"))
    assert coloured is not no_colour
