# SPDX-License-Identifier: Apache-2.0
"""The three pictures that the README shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.runtime.engine.ring import PRECISIONS, Ring
from benchmarks.runtime.measure import Figures
from benchmarks.runtime.peers.llama_cpp import LlamaCpp
from benchmarks.runtime.peers.transformers_peer import Transformers
from benchmarks.runtime.report.chart import Chart, Values
from benchmarks.runtime.report.tables import MEBIBYTE
from benchmarks.runtime.sample import Sample

STAGES = (1, 2, 3)


def write_plots(figures: Figures, folder: Path) -> None:
    """`runtime-streams.svg`, `runtime-stages.svg` and `runtime-memory.svg`."""
    (folder / "runtime-streams.svg").write_text(decode_over_streams(figures).lines())
    (folder / "runtime-stages.svg").write_text(time_over_stages(figures).bars())
    (folder / "runtime-memory.svg").write_text(memory_of_stages(figures).bars())


def decode_over_streams(figures: Figures) -> Chart:
    """Ours in two stages, and the others."""
    plan = figures.plan
    rings = [Ring(plan.model, plan.workload, 2, 1, precision) for precision in PRECISIONS]
    named = {f"TeeTee, {ring.precision}, 2 stages": ring.name for ring in reversed(rings)}
    rpc = LlamaCpp(plan.model, plan.workload, "", 2, 1)
    named["llama.cpp RPC, Q8_0, 2 workers"] = rpc.name
    named["transformers, fp32, unsplit"] = Transformers(plan.model, plan.workload, 2).name
    named["llama.cpp, Q8_0, unsplit"] = replace(rpc, workers=0, threads=2).name
    streams = tuple(plan.repeats)
    return Chart(
        title=f"Decoding {plan.model.name} on {figures.machine.cores} cores",
        across="streams at once",
        up="tokens per second, all streams together",
        places=[str(each) for each in streams],
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
    """What a stage more costs a single stream."""
    plan = figures.plan
    return Chart(
        title="Time per token of one stream: what splitting costs",
        across="stages, one thread each",
        up="milliseconds per token",
        places=[_stages(each) for each in STAGES],
        series=_known(
            {
                f"TeeTee, {precision}, TLS and receipts on": [
                    _value(figures, ring.name, 1, _milliseconds)
                    for ring in (
                        Ring(plan.model, plan.workload, stages, 1, precision) for stages in STAGES
                    )
                ]
                for precision in reversed(PRECISIONS)
            }
        ),
    )


def memory_of_stages(figures: Figures) -> Chart:
    """Of each process, over a bare interpreter with torch."""
    plan = figures.plan
    rings = [
        Ring(plan.model, plan.workload, stages, 1, precision)
        for precision in reversed(PRECISIONS)
        for stages in STAGES
    ]
    rings = [ring for ring in rings if figures.median(ring.name, 1) is not None]
    places = [f"{ring.precision}\n{_stages(ring.stages)}" for ring in rings]
    names = [ring.name for ring in rings]
    series: dict[str, Values] = {
        f"stage {stage}" + (" (entry)" if stage == 0 else ""): [
            _value(figures, name, 1, _peak_of(stage)) for name in names
        ]
        for stage in range(max(STAGES))
    }
    hf = Transformers(plan.model, plan.workload, 2)
    if figures.median(hf.name, 1) is not None:
        places.append("fp32\nunsplit")
        series = {stage: [*values, None] for stage, values in series.items()}
        whole = _value(figures, hf.name, 1, _peak_of(0))
        series["transformers"] = [*(None for _ in names), whole]
    return Chart(
        title="Peak memory of each process, one stream",
        across="precision and split",
        up="MiB over a bare interpreter with torch",
        places=places,
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
    """Without those of which nothing was measured."""
    return {
        label: values
        for label, values in series.items()
        if any(value is not None for value in values)
    }


def _stages(number: int) -> str:
    return f"{number} stage{'s' if number > 1 else ''}"
