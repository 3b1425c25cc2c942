# SPDX-License-Identifier: Apache-2.0
"""The GPU benchmark: a Llama of 8 billion random weights in bf16, in one and in two stages,
compared with transformers.

Random weights compute as fast as any. Both stages share one GPU, so two stages show the cost of
splitting, not the gain of a second GPU.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.outcome import Options, Outcome
from benchmarks.runtime.measurement.system import System
from benchmarks.runtime.measurement.workload import BF16, FULL, QUICK, Workload
from benchmarks.runtime.models.random_model import random_llama
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.report.report import measured_json
from benchmarks.runtime.report.tables import speed_tables
from benchmarks.runtime.schedule.measure import Figures, measure
from benchmarks.runtime.schedule.progress import Progress
from benchmarks.runtime.schedule.schedule import Schedule
from benchmarks.runtime.systems.ring import Ring
from benchmarks.runtime.systems.transformers_system import Transformers

LLAMA_8B: dict[str, Any] = {
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
NO_GPU = "No CUDA device: skipped the GPU benchmark and wrote nothing."


def run(options: Options) -> Outcome:
    """Writes `gpu.json`; without a CUDA device, writes nothing and says so.

    Raises `BenchmarkError`, `TeeTeeError`.
    """
    if not torch.cuda.is_available():
        return Outcome(NO_GPU, {})
    workload = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="teetee-gpu-") as temporary:
        folder = Path(temporary) / "llama-8b-random"
        model = random_llama(folder, LLAMA_8B, dtype=torch.bfloat16, device="cuda")
        outcome = compare(gpu_schedule(model, workload, "cuda"))
    name = torch.cuda.get_device_name()
    figures = {"gpu": name, **outcome.figures}
    (options.results / "gpu.json").write_text(json.dumps(figures, indent=2) + "\n")
    return Outcome(f"# Speed on {name}\n{outcome.table}", figures)


def gpu_schedule(model: BenchmarkModel, workload: Workload, device: str) -> Schedule:
    """Three systems, which hold their weights on the device at the same time."""
    stream_counts = frozenset({1, 2, 8, 32})
    systems: dict[System, frozenset[int]] = {
        Ring(model, workload, stages, 1, BF16, device=device): stream_counts for stages in (1, 2)
    }
    systems[Transformers(model, workload, 1, BF16, device)] = stream_counts
    return Schedule(model, workload, systems, {1: 3, 2: 2, 8: 2, 32: 1})


def compare(schedule: Schedule) -> Outcome:
    """Measures the schedule and computes the ratios."""
    with Progress(schedule) as progress:
        figures = measure(schedule, progress)
    table = "\n".join(speed_tables(figures))
    return Outcome(table, {"ratios": _ratios(figures), **measured_json(figures)})


def _ratios(figures: Figures) -> Mapping[str, float | None]:
    one, two, other = (
        [_decode(figures, system.name, streams) for streams in (1, 8)]
        for system in figures.schedule.systems
    )
    return {
        "decode1_vs_hf": _over(two[0], other[0]),
        "decode8_vs_hf": _over(two[1], other[1]),
        "time_of_two_stages_over_one": _over(one[0], two[0]),
    }


def _decode(figures: Figures, system: str, streams: int) -> float | None:
    sample = figures.median(system, streams)
    return sample.decode_tokens_per_second if sample else None


def _over(rate: float | None, other: float | None) -> float | None:
    return round(rate / other, 3) if rate and other else None
