# SPDX-License-Identifier: Apache-2.0
"""The GPU benchmark, on a machine without a GPU.

given no CUDA device
    it should say so and write nothing
given a tiny model on the CPU
    it should compare one stage, two stages and transformers in bf16
given a shard and a device
    it should compute and keep its caches on that device
given a tied embedding
    it should write the embedding once
"""

from pathlib import Path

import pytest
import torch

from benchmarks.outcome import Options
from benchmarks.runtime.gpu import NO_GPU, compare, gpu_schedule, run
from benchmarks.runtime.machine.devices import compute_on
from benchmarks.runtime.measurement.workload import Workload
from benchmarks.runtime.models.random_model import random_llama
from benchmarks.runtime.schedule.schedule import Schedule

SHAPE = {
    "vocab_size": 199,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def test_run__no_cuda__says_so_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = run(Options(tmp_path))
    assert (outcome.table, outcome.figures) == (NO_GPU, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.system
def test_compare__tiny_shape_on_the_cpu__measures_all_three(tmp_path: Path) -> None:
    model = random_llama(tmp_path / "model", SHAPE, dtype=torch.bfloat16)
    full = gpu_schedule(model, Workload(prompt_tokens=8, new_tokens=4), "cpu")
    outcome = compare(Schedule(model, full.workload, full.systems, {1: 1, 8: 1}))
    assert all(ratio > 0 for ratio in outcome.figures["ratios"].values())
    assert len(outcome.figures["systems"]) == 3
    assert "| teetee bf16 2 × 1 |" in outcome.table


class FakePool:
    def allocate(self, capacity: int) -> str:
        return f"{capacity} on {torch.get_default_device()}"


class FakeShard:
    """Returns where it computes."""

    def embed(self, tokens: tuple[int, ...]) -> str:
        return f"{tokens} on {torch.get_default_device()}"

    def forward(self, hidden: torch.Tensor, first: int) -> str:
        return f"{hidden.device} on {torch.get_default_device()}"

    def logits(self, hidden: torch.Tensor) -> str:
        return f"{hidden.device} on {torch.get_default_device()}"

    def cache_pool(self, budget_bytes: int) -> FakePool:
        return FakePool()


def test_compute_on__another_device__computes_and_keeps_caches_there() -> None:
    shard = FakeShard()
    compute_on(shard, "meta")  # type: ignore[arg-type]
    assert shard.embed((1, 2)) == "(1, 2) on meta"
    assert shard.forward(torch.zeros(2), 0) == "meta on meta"
    assert shard.logits(torch.zeros(2)) == "meta on meta"
    assert shard.cache_pool(9).allocate(4) == "4 on meta"
    assert torch.get_default_device().type == "cpu"


def test_random_llama__tied__holds_the_embedding_once(tmp_path: Path) -> None:
    model = random_llama(tmp_path / "model", {**SHAPE, "tie_word_embeddings": True})
    layer = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96 + 2 * 64
    assert model.weights_per_token == 2 * layer + 64 + 199 * 64
