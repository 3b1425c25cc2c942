# SPDX-License-Identifier: Apache-2.0
"""The same on a GPU, where there is one: a Llama of 8 billion random weights in bf16, in one and in
two stages, beside transformers.

Random weights compute as fast as any. Both stages share the one GPU, so that two stages show what
splitting costs, not what two GPUs would gain.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.outcome import Options, Outcome
from benchmarks.runtime.engine.ring import BF16, Ring
from benchmarks.runtime.measure import Figures, measure
from benchmarks.runtime.models.random_model import random_llama
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.peers.transformers_peer import Transformers
from benchmarks.runtime.plan import Plan
from benchmarks.runtime.report.progress import Progress
from benchmarks.runtime.report.report import measured_json
from benchmarks.runtime.report.tables import speed_tables
from benchmarks.runtime.system import System
from benchmarks.runtime.workload import FULL, QUICK, Workload

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
NOTHING = "No CUDA device: the GPU benchmark was left out, and nothing was written."


def run(options: Options) -> Outcome:
    """Writes `gpu.json`; nothing, and says so, where torch finds no CUDA device.

    Raises `BenchmarkError`, `TeeTeeError`.
    """
    if not torch.cuda.is_available():
        return Outcome(NOTHING, {})
    workload = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="teetee-gpu-") as place:
        folder = Path(place) / "llama-8b-random"
        model = random_llama(folder, LLAMA_8B, dtype=torch.bfloat16, device="cuda")
        outcome = compare(gpu_plan(model, workload, "cuda"))
    name = torch.cuda.get_device_name()
    figures = {"gpu": name, **outcome.figures}
    (options.results / "gpu.json").write_text(json.dumps(figures, indent=2) + "\n")
    return Outcome(f"# Speed on {name}\n{outcome.table}", figures)


def gpu_plan(model: BenchmarkModel, workload: Workload, device: str) -> Plan:
    """Three systems; all of them have their weights on the device at once."""
    everything = frozenset({1, 2, 8, 32})
    systems: dict[System, frozenset[int]] = {
        Ring(model, workload, stages, 1, BF16, device=device): everything for stages in (1, 2)
    }
    systems[Transformers(model, workload, 1, BF16, device)] = everything
    return Plan(model, workload, systems, {1: 3, 2: 2, 8: 2, 32: 1})


def compare(plan: Plan) -> Outcome:
    """Everybody by turns."""
    with Progress(plan) as progress:
        figures = measure(plan, progress)
    table = "\n".join(speed_tables(figures))
    return Outcome(table, {"ratios": _ratios(figures), **measured_json(figures)})


def _ratios(figures: Figures) -> Mapping[str, float | None]:
    one, two, other = (
        [_decode(figures, system.name, streams) for streams in (1, 8)]
        for system in figures.plan.systems
    )
    return {
        "decode1_vs_hf": _over(two[0], other[0]),
        "decode8_vs_hf": _over(two[1], other[1]),
        "time_of_two_stages_over_one": _over(one[0], two[0]),
    }


def _decode(figures: Figures, system: str, streams: int) -> float | None:
    sample = figures.median(system, streams)
    return sample.decode_tokens_per_second if sample else None


def _over(ours: float | None, theirs: float | None) -> float | None:
    return round(ours / theirs, 3) if ours and theirs else None
