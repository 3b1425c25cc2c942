# SPDX-License-Identifier: Apache-2.0
"""Progress of a benchmark.

given a terminal
    it should be a bar that tells the time left, without colours where NO_COLOR is set
given no terminal
    it should be a line for each step, and no control characters
"""

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.runtime.engine.ring import FP32, Ring
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.plan import Plan
from benchmarks.runtime.report.progress import Progress
from benchmarks.runtime.workload import FULL

MODEL = BenchmarkModel("model", Path("nowhere"), None)


def played(console: Console) -> None:
    ring = Ring(MODEL, FULL, 2, 1, FP32)
    plan = Plan(MODEL, FULL, {ring: frozenset({1, 8})}, {1: 2, 8: 1})
    with Progress(plan, console) as progress:
        with progress.start(ring.name):
            pass
        assert progress.seconds_left is None
        for number in range(plan.rounds):
            for step in plan.round(number):
                with progress.step(ring.name, step.streams):
                    pass
        assert progress.seconds_left == 0


def test_progress__no_terminal__is_plain_lines() -> None:
    written = io.StringIO()
    played(Console(file=written))
    assert "\x1b" not in written.getvalue()
    lines = written.getvalue().splitlines()
    assert lines[0] == "1/4 starting teetee fp32 2 × 1"
    assert lines[2].startswith("3/4 teetee fp32 2 × 1, 8 streams, about")
    assert len(lines) == 4


@pytest.mark.parametrize("no_colour", [False, True])
def test_progress__terminal__is_a_bar(no_colour: bool) -> None:
    written = io.StringIO()
    played(Console(file=written, force_terminal=True, no_color=no_colour, width=120))
    text = written.getvalue()
    assert "4/4" in text or "3/4" in text
    coloured = any(f"\x1b[{code}" in text for code in ("3", "38"))
    assert coloured is not no_colour
