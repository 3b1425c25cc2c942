# SPDX-License-Identifier: Apache-2.0
"""Measures the runtime and writes it down: `runtime.json`, `runtime.md` and the pictures."""

import json
from pathlib import Path
from typing import Any

from benchmarks.outcome import RESULTS, Options, Outcome
from benchmarks.runtime.measure import Figures, measure
from benchmarks.runtime.models.smollm2 import KEPT, smollm2
from benchmarks.runtime.plan import full_plan, quick_plan
from benchmarks.runtime.report.plots import write_plots
from benchmarks.runtime.report.progress import Progress
from benchmarks.runtime.report.ratios import Comparison
from benchmarks.runtime.report.readme import bring_up_to_date
from benchmarks.runtime.report.tables import render
from benchmarks.runtime.sample import median_of

README = RESULTS.parent.parent / "README.md"


def run(options: Options) -> Outcome:
    """Quick results go to `build/`, where they cannot pass for the real ones; real ones, if they go
    where the committed ones are, also into the README.

    Raises `BenchmarkError`, `TeeTeeError`.
    """
    model = smollm2()
    plan = quick_plan(model) if options.quick else full_plan(model)
    folder = KEPT if options.quick else options.results
    with Progress(plan) as progress:
        figures = measure(plan, progress)
    outcome = write(figures, folder)
    if folder == RESULTS:
        bring_up_to_date(README, outcome.figures)
    return outcome


def write(figures: Figures, folder: Path) -> Outcome:
    """All files; what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(render(figures), as_json(figures))
    (folder / "runtime.json").write_text(json.dumps(outcome.figures, indent=2) + "\n")
    (folder / "runtime.md").write_text(outcome.table)
    write_plots(figures, folder)
    return outcome


def as_json(figures: Figures) -> dict[str, Any]:
    """The goals' keys first, then everything they come from."""
    comparison = Comparison(figures)
    ratios, also = comparison.ratios(), comparison.also()
    everything = ratios | also
    return {
        **{key: ratio.value for key, ratio in ratios.items()},
        "also": {key: ratio.value for key, ratio in also.items()},
        "meanings": {key: ratio.meaning for key, ratio in everything.items()},
        "null_because": {key: each.reason for key, each in everything.items() if each.reason},
        "memory_read_seconds": list(figures.read_seconds),
        **measured_json(figures),
    }


def measured_json(figures: Figures) -> dict[str, Any]:
    """What was asked of whom, where, and every sample."""
    plan = figures.plan
    return {
        "machine": figures.machine.as_json(),
        "notes": dict(figures.notes),
        "workload": {
            "model": plan.model.name,
            "weights_per_token": plan.model.weights_per_token,
            "prompt_tokens": plan.workload.prompt_tokens,
            "new_tokens": plan.workload.new_tokens,
            "repeats_by_streams": dict(plan.repeats),
            "quick": plan.quick,
        },
        "others_busy": list(figures.others_busy),
        "missing": dict(figures.missing),
        "systems": {
            name: {
                str(streams): {
                    "median": median_of(samples).as_json(),
                    "samples": [sample.as_json() for sample in samples],
                }
                for streams, samples in by_streams.items()
            }
            for name, by_streams in figures.samples.items()
        },
    }
