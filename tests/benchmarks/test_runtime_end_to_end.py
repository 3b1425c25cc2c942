# SPDX-License-Identifier: Apache-2.0
"""The whole benchmark with a tiny random model.

given a ring of one and of two stages, and transformers
    when a schedule with few tokens is carried out
        it should write JSON, a table and three charts
        it should have measured every stage: rates, gaps, memory, bytes, busy shares, receipts
        it should say why llama.cpp and int8 have no figures
given a ring without TLS, or without commitments
    it should answer like any other
"""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.runtime.machine import cores
from benchmarks.runtime.measurement.system import System
from benchmarks.runtime.measurement.workload import FP32, INT8, Workload
from benchmarks.runtime.models.random_model import random_llama
from benchmarks.runtime.models.smollm2 import BenchmarkModel
from benchmarks.runtime.report.report import write
from benchmarks.runtime.schedule.measure import measure
from benchmarks.runtime.schedule.progress import Progress
from benchmarks.runtime.schedule.schedule import Schedule
from benchmarks.runtime.systems import ring
from benchmarks.runtime.systems.llama_cpp import LlamaCpp, find_programs
from benchmarks.runtime.systems.ring import Ring
from benchmarks.runtime.systems.transformers_system import Transformers

pytestmark = pytest.mark.system

SHAPE: dict[str, Any] = {
    "vocab_size": 199,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
WORK = Workload(prompt_tokens=8, new_tokens=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkModel:
    return random_llama(tmp_path_factory.mktemp("random"), SHAPE)


def schedule_of(model: BenchmarkModel) -> Schedule:
    several = frozenset({1, 8})
    systems: dict[System, frozenset[int]] = {
        Ring(model, WORK, 1, 1, FP32): frozenset({1}),
        Ring(model, WORK, 2, 1, FP32): several,
        Ring(model, WORK, 2, 1, INT8): several,
        Transformers(model, WORK, 2): several,
        LlamaCpp(model, WORK, find_programs(None), 2, 1): several,
    }
    return Schedule(model, WORK, systems, {1: 2, 8: 1})


def test_benchmark__tiny_model__writes_exactly_what_was_measured(
    model: BenchmarkModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ring, "unavailable_reason", lambda each: "not here" if each == INT8 else None
    )
    schedule = schedule_of(model)
    with Progress(schedule) as progress:
        figures = measure(schedule, progress)
    write(figures, tmp_path)
    found = json.loads((tmp_path / "runtime.json").read_text())
    assert found["decode1_vs_hf"] > 0
    assert found["decode8_vs_hf"] > 0
    assert 0 < found["fill8"] <= 1
    assert 0 < found["receipts_cost"] < 1
    assert found["decode1_vs_llamacpp_rpc_q8"] is None
    assert "not here" in found["null_because"]["decode1_vs_llamacpp_rpc_q8"]
    assert found["added_stage_cost"] is None
    assert "it was not scheduled" in found["null_because"]["added_stage_cost"]
    assert found["limit_share"] is None
    sample = found["systems"]["teetee fp32 2 × 1"]["8"]["median"]
    assert [len(sample[each]) for each in ("peak_bytes", "busy_share", "hop_frames")] == [2, 2, 2]
    assert all(size > SHAPE["hidden_size"] * 4 for size in sample["hop_bytes_per_position"])
    assert sample["token_gap_p50_seconds"] <= sample["token_gap_p99_seconds"]
    assert len(found["systems"]["teetee fp32 2 × 1"]["1"]["samples"]) == 2
    assert "LLAMA_CPP_BIN" in found["missing"]["llama.cpp RPC Q8_0 2 × 1"] or not model.gguf
    assert "| teetee fp32 2 × 1 |" in (tmp_path / "runtime.md").read_text()
    for name in ("streams", "stages", "memory"):
        ElementTree.parse(tmp_path / f"runtime-{name}.svg")


@pytest.mark.parametrize("without", ["encrypted", "committed"])
def test_ring__without_a_protection__still_answers(model: BenchmarkModel, without: str) -> None:
    system = Ring(model, WORK, 2, 1, FP32, **{without: False})
    with system.start() as running:
        sample = running.sample(2)
    assert sample.decode_tokens_per_second
    assert sample.commitment_seconds is not None


def test_random_llama__tiny_shape__counts_what_a_step_reads(model: BenchmarkModel) -> None:
    embedding = SHAPE["vocab_size"] * SHAPE["hidden_size"]
    attention = 64 * 64 * 2 + 64 * 32 * 2
    layer = attention + 3 * 64 * 96 + 2 * 64
    assert model.weights_per_token == 4 * layer + 64 + embedding


def test_pinned__one_core__is_inherited_by_processes_and_reset_afterwards() -> None:
    before = cores.usable()
    with cores.pinned(before[:1]):
        assert cores.usable() == before[:1]
    assert cores.usable() == before
