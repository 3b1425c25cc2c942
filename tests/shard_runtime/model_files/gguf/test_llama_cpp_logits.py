# SPDX-License-Identifier: Apache-2.0
"""GGUF files are computed as llama.cpp computes them.

given a file of any supported architecture, with keys or tensors that llama.cpp reads, ignores, or
has a default for
    its logits should equal those that llama.cpp computed (tests/vectors/gguf/README.md)
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from shard_runtime import load_shard, open_model
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.model_files.gguf.llama_cpp_cases import CASES
from tests.shard_runtime.model_files.gguf.tiny_gguf import LAYERS, PROMPT, write_case
from tests.shard_runtime.one_run import forward_run

RECORDED = json.loads((Path("tests/vectors/gguf/logits.json")).read_text())["logits"]

# ggml looks GELU up in a table of 16-bit floats.
TOLERANCES = {"gemma": 2e-2, "gemma2": 2e-2, "gemma3": 2e-2, "gpt2": 2e-2}


def logits_of(path: Path) -> torch.Tensor:
    """The logits after the prompt."""
    shard = load_shard(open_model(path), LayerRange(0, LAYERS), is_entry=True, dtype="float32")
    cache = shard.cache_pool(1 << 26).allocate(len(PROMPT))
    logits: torch.Tensor = shard.logits(forward_run(shard, shard.embed(PROMPT), cache, 0))
    return logits[-1]


def test_recorded__logits__are_of_all_cases() -> None:
    assert list(RECORDED) == list(CASES)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "qwen3moe", "gemma"])
def test_recorded__window_key__changes_nothing_in_llama_cpp(architecture: str) -> None:
    assert RECORDED[f"{architecture}, window key"] == RECORDED[architecture]


@pytest.mark.parametrize(
    "title", ["llama, scale_linear", "llama, factor only", "llama, attn_factor", "gemma2, window 5"]
)
def test_recorded__computed_key__changes_the_logits(title: str) -> None:
    base = np.array(RECORDED[CASES[title].architecture])
    assert np.abs(np.array(RECORDED[title]) - base).max() > 0.5


@pytest.mark.parametrize("title", CASES)
def test_logits__gguf__equal_those_of_llama_cpp(title: str, tmp_path: Path) -> None:
    case = CASES[title]
    logits = logits_of(write_case(case, tmp_path / "model.gguf"))
    tolerance = TOLERANCES.get(case.architecture, 2e-4)
    np.testing.assert_allclose(logits.numpy(), RECORDED[title], rtol=0, atol=tolerance)
