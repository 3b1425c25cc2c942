# SPDX-License-Identifier: Apache-2.0
"""The three charts of the README."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.runtime.measurement.sample import Sample
from benchmarks.runtime.measurement.workload import CPU_PRECISIONS
from benchmarks.runtime.report.chart import Chart, Values
from benchmarks.runtime.report.tables import MEBIBYTE
from benchmarks.runtime.schedule.measure import Figures
from benchmarks.runtime.systems.llama_cpp import LlamaCpp
from benchmarks.runtime.systems.ring import Ring
from benchmarks.runtime.systems.transformers_system import Transformers

STAGES = (1, 2, 3)


def write_plots(figures: Figures, folder: Path) -> None:
    """Writes `runtime-streams.svg`, `runtime-stages.svg` and `runtime-memory.svg`."""
    (folder / "runtime-streams.svg").write_text(decode_over_streams(figures).lines())
    (folder / "runtime-stages.svg").write_text(time_over_stages(figures).bars())
    (folder / "runtime-memory.svg").write_text(memory_of_stages(figures).bars())


def decode_over_streams(figures: Figures) -> Chart:
    """Decoding speed of TeeTee in two stages and of the other systems."""
    schedule = figures.schedule
    rings = [
        Ring(schedule.model, schedule.workload, 2, 1, precision) for precision in CPU_PRECISIONS
    ]
    named = {f"TeeTee, {ring.precision}, 2 stages": ring.name for ring in reversed(rings)}
    rpc = LlamaCpp(schedule.model, schedule.workload, "", 2, 1)
    named["llama.cpp RPC, Q8_0, 2 workers"] = rpc.name
    named["transformers, fp32, unsplit"] = Transformers(schedule.model, schedule.workload, 2).name
    named["llama.cpp, Q8_0, unsplit"] = replace(rpc, workers=0, threads=2).name
    streams = tuple(schedule.repeats)
    return Chart(
        title=f"Decoding {schedule.model.name} on {figures.machine.cores} cores",
        x_label="concurrent streams",
        y_label="tokens per second, all streams together",
        categories=[str(each) for each in streams],
        series=_known(
            {
                label: [
                    _value(figures, name, each, lambda sample: sample.decode_tokens_per_second)
                    for each in streams
                ]
                for label, name in named.items()
            }
        ),
    )


def time_over_stages(figures: Figures) -> Chart:
    """The time per token of a single stream, by number of stages."""
    schedule = figures.schedule
    return Chart(
        title="Time per token of one stream: the cost of splitting",
        x_label="stages, one thread each",
        y_label="milliseconds per token",
        categories=[_stages(each) for each in STAGES],
        series=_known(
            {
                f"TeeTee, {precision}, TLS and receipts on": [
                    _value(figures, ring.name, 1, _milliseconds)
                    for ring in (
                        Ring(schedule.model, schedule.workload, stages, 1, precision)
                        for stages in STAGES
                    )
                ]
                for precision in reversed(CPU_PRECISIONS)
            }
        ),
    )


def memory_of_stages(figures: Figures) -> Chart:
    """The peak memory of each process, above a bare interpreter with torch."""
    schedule = figures.schedule
    rings = [
        Ring(schedule.model, schedule.workload, stages, 1, precision)
        for precision in reversed(CPU_PRECISIONS)
        for stages in STAGES
    ]
    rings = [ring for ring in rings if figures.median(ring.name, 1) is not None]
    categories = [f"{ring.precision}\n{_stages(ring.stages)}" for ring in rings]
    names = [ring.name for ring in rings]
    series: dict[str, Values] = {
        f"stage {stage}" + (" (entry)" if stage == 0 else ""): [
            _value(figures, name, 1, _peak_of(stage)) for name in names
        ]
        for stage in range(max(STAGES))
    }
    hf = Transformers(schedule.model, schedule.workload, 2)
    if figures.median(hf.name, 1) is not None:
        categories.append("fp32\nunsplit")
        series = {stage: [*values, None] for stage, values in series.items()}
        unsplit = _value(figures, hf.name, 1, _peak_of(0))
        series["transformers"] = [*(None for _ in names), unsplit]
    return Chart(
        title="Peak memory of each process, one stream",
        x_label="precision and split",
        y_label="MiB above a bare interpreter with torch",
        categories=categories,
        series=series,
    )


def _peak_of(stage: int) -> Callable[[Sample], float | None]:
    def peak(sample: Sample) -> float | None:
        return sample.peak_bytes[stage] / MEBIBYTE if stage < len(sample.peak_bytes) else None

    return peak


def _milliseconds(sample: Sample) -> float | None:
    rate = sample.decode_tokens_per_second
    return 1000 / rate if rate else None


def _value(
    figures: Figures, system: str, streams: int, part: Callable[[Sample], float | None]
) -> float | None:
    sample = figures.median(system, streams)
    return part(sample) if sample is not None else None


def _known(series: Mapping[str, Sequence[float | None]]) -> dict[str, Values]:
    """The series with at least one measured value."""
    return {
        label: values
        for label, values in series.items()
        if any(value is not None for value in values)
    }


def _stages(number: int) -> str:
    return f"{number} stage{'s' if number > 1 else ''}"
