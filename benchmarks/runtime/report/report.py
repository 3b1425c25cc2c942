# SPDX-License-Identifier: Apache-2.0
"""Measures the runtime and writes `runtime.json`, `runtime.md` and the charts."""

import json
from pathlib import Path
from typing import Any

from benchmarks.outcome import RESULTS, Options, Outcome
from benchmarks.runtime.measurement.sample import median_of
from benchmarks.runtime.models.smollm2 import CACHE_FOLDER, smollm2
from benchmarks.runtime.report.plots import write_plots
from benchmarks.runtime.report.ratios import Comparison
from benchmarks.runtime.report.readme import update_readme
from benchmarks.runtime.report.tables import render
from benchmarks.runtime.schedule.measure import Figures, measure
from benchmarks.runtime.schedule.progress import Progress
from benchmarks.runtime.schedule.schedule import full_schedule, quick_schedule

README = RESULTS.parent.parent / "README.md"


def run(options: Options) -> Outcome:
    """Measures and writes the results, and updates the README along with the committed results.

    Quick results go to `build/`, so that they cannot be mistaken for full ones.
    Raises `BenchmarkError`, `TeeTeeError`.
    """
    model = smollm2()
    schedule = quick_schedule(model) if options.quick else full_schedule(model)
    folder = CACHE_FOLDER if options.quick else options.results
    with Progress(schedule) as progress:
        figures = measure(schedule, progress)
    outcome = write(figures, folder)
    if folder == RESULTS:
        update_readme(README, outcome.figures)
    return outcome


def write(figures: Figures, folder: Path) -> Outcome:
    """Writes all files and returns their content."""
    folder.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(render(figures), as_json(figures))
    (folder / "runtime.json").write_text(json.dumps(outcome.figures, indent=2) + "\n")
    (folder / "runtime.md").write_text(outcome.table)
    write_plots(figures, folder)
    return outcome


def as_json(figures: Figures) -> dict[str, Any]:
    """The content of `runtime.json`: the goals first, then everything they are computed from."""
    comparison = Comparison(figures)
    ratios, secondary = comparison.ratios(), comparison.secondary_ratios()
    everything = ratios | secondary
    return {
        **{key: ratio.value for key, ratio in ratios.items()},
        "also": {key: ratio.value for key, ratio in secondary.items()},
        "meanings": {key: ratio.meaning for key, ratio in everything.items()},
        "null_because": {key: each.reason for key, each in everything.items() if each.reason},
        "memory_read_seconds": list(figures.read_seconds),
        **measured_json(figures),
    }


def measured_json(figures: Figures) -> dict[str, Any]:
    """Machine, workload and every sample."""
    schedule = figures.schedule
    return {
        "machine": figures.machine.as_json(),
        "notes": dict(figures.notes),
        "workload": {
            "model": schedule.model.name,
            "weights_per_token": schedule.model.weights_per_token,
            "prompt_tokens": schedule.workload.prompt_tokens,
            "new_tokens": schedule.workload.new_tokens,
            "repeats_by_streams": dict(schedule.repeats),
            "quick": schedule.quick,
        },
        "others_busy": list(figures.others_busy),
        "missing": dict(figures.unavailable),
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
