# SPDX-License-Identifier: Apache-2.0
"""RoPE parameters of configs, read as transformers resolves them.

given `rope_scaling` and `rope_parameters` in one file
    the one that transformers uses should be computed
given yarn with mscale, or with an original context that is absent or a float
    the logits should be transformers'
given a parameter that does not belong to the kind of scaling, or cannot be computed
    the error should name it
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from shard_runtime.backends.rope_frequencies import rope_frequencies
from shard_runtime.errors import ModelError
from shard_runtime.model_files.config.config_json import read_config_json
from tests.shard_runtime.model_files.config.base_configs import BASES, Config
from tests.shard_runtime.model_files.config.reference import Reference, read_theirs

LINEAR = {"rope_type": "linear", "factor": 2.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
FAMILIES = ["llama", "mistral", "ministral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "gemma"]
FAMILIES += ["gemma2"]
_ROPE_FIELDS = ("rope_theta", "rope_scaling", "rope_parameters")


def config_with(name: str, **changes: Any) -> Config:
    kept = {key: value for key, value in BASES[name].items() if key not in _ROPE_FIELDS}
    return kept | changes


@pytest.mark.parametrize("name", [*FAMILIES, "phi3"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rope_theta": 300.0},
        {"rope_scaling": None, "rope_parameters": {"rope_theta": 300.0}},
        {"rope_scaling": {}, "rope_parameters": {"rope_theta": 300.0}},
        {"rope_theta": 500, "rope_parameters": {"rope_type": "default", "rope_theta": 300}},
        {"rope_theta": 500.0, "rope_parameters": {"rope_type": "default"}},
        {"rope_scaling": {"type": "default"}, "rope_parameters": {"rope_theta": 300.0}},
    ],
    ids=str,
)
def test_logits__theta_in_either_place__equal_transformers(
    reference: Reference, name: str, changes: Config
) -> None:
    reference.compare(json.dumps(config_with(name, **changes)))
    assert reference.counts["computed equal"] == 1


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": LINEAR, "rope_parameters": {**YARN, "rope_theta": 300.0}},
        {"rope_scaling": YARN, "rope_parameters": LINEAR, "rope_theta": 300.0},
        {"rope_scaling": LLAMA3, "rope_parameters": {"rope_type": "default"}},
        {"rope_scaling": {**LLAMA3, "type": "llama3"}},
        {"rope_scaling": {"type": "linear", "factor": 2, "original_max_position_embeddings": 8}},
        {"rope_scaling": {**YARN, "finetuned": True}},
        {"rope_scaling": {"type": "yarn", "factor": 4.0}},
        {"rope_scaling": {**YARN, "original_max_position_embeddings": 16.0}},
        {"rope_scaling": {**YARN, "factor": None}},
        {"rope_scaling": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.7}},
        {"rope_scaling": {**YARN, "mscale": 0.7}},
        {"rope_scaling": {**YARN, "mscale": 1, "mscale_all_dim": 0}},
        {"rope_scaling": {**YARN, "mscale": 0.5, "mscale_all_dim": 1.0, "attention_factor": 0.9}},
        {"rope_scaling": {**YARN, "beta_fast": 16, "beta_slow": None, "truncate": False}},
        {"rope_scaling": YARN, "original_max_position_embeddings": 32},
        {"rope_scaling": LLAMA3, "original_max_position_embeddings": 16.0},
        {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 32.0}},
        {"rope_scaling": {k: v for k, v in LLAMA3.items() if not k.startswith("original")}},
        {"rope_scaling": LINEAR, "partial_rotary_factor": 1.0},
    ],
    ids=str,
)
def test_logits__scaling__equal_transformers(
    reference: Reference, name: str, changes: Config
) -> None:
    reference.compare(json.dumps(config_with(name, **changes)))
    assert reference.counts["computed equal"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        {"rope_scaling": YARN, "rope_theta": 500.0, "rope_local_base_freq": 300.0},
        {"rope_parameters": {"full_attention": LINEAR}, "rope_scaling": YARN},
        {"rope_parameters": {"full_attention": YARN, "sliding_attention": {"rope_theta": 300.0}}},
        {"rope_parameters": {"full_attention": None, "sliding_attention": None}},
    ],
    ids=str,
)
def test_logits__gemma3__equal_transformers(reference: Reference, changes: Config) -> None:
    reference.compare(json.dumps(config_with("gemma3_text", **changes)))
    assert reference.counts["computed equal"] == 1


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("llama", {"rope_scaling": {**YARN, "mscale": "1"}}, "rope_scaling.mscale"),
        (
            "llama",
            {"rope_scaling": {**YARN, "original_max_position_embeddings": 16.5}},
            "rope_scaling.original_max_position_embeddings must be a whole number",
        ),
        (
            "qwen2",
            {"rope_scaling": {**YARN, "original_max_position_embeddings": None}},
            "rope_scaling.original_max_position_embeddings must be an integer or",
        ),
        ("llama", {"rope_scaling": {"type": "yarn"}}, "rope_scaling.factor is missing"),
        ("llama", {"rope_scaling": {**YARN, "attn_factor": 1.0}}, "rope_scaling.attn_factor"),
        ("llama", {"rope_scaling": {**LINEAR, "mscale": 1.0}}, "rope_scaling.mscale to 1.0"),
        ("llama", {"rope_scaling": {"rope_type": "default", "factor": 2.0}}, "rope_scaling.factor"),
        ("llama", {"rope_scaling": {**LINEAR, "type": "yarn"}}, '"linear" and "yarn"'),
        ("llama", {"rope_scaling": {**LLAMA3, "low_freq_factor": 4}}, "high_freq_factor must be"),
        ("llama", {"rope_theta": None}, "rope_theta must be"),
        ("llama", {"rope_parameters": {"rope_theta": None}}, "rope_parameters.rope_theta must be"),
        ("llama", {"rope_parameters": {"rope_type": None}}, "rope_parameters.rope_type must be"),
        (
            "qwen2",
            {"rope_parameters": {"full_attention": LINEAR}},
            "rope_parameters.full_attention",
        ),
        ("gemma3_text", {"rope_parameters": LINEAR}, "rope_parameters.rope_type"),
        ("gemma3_text", {"rope_scaling": {"type": "linear", "factor": 8.0}}, "another type"),
        ("phi3", {"rope_scaling": LINEAR}, "scaling is linear"),
        ("phi3", {"partial_rotary_factor": None}, "partial_rotary_factor must be"),
    ],
    ids=str,
)
def test_read__parameter_that_cannot_be_computed__is_named(
    tmp_path: Path, name: str, changes: Config, named: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config_with(name, **changes)))
    with pytest.raises(ModelError) as raised:
        read_config_json(path)
    assert named in str(raised.value)


def test_attention_factor__yarn_with_mscale__is_that_of_transformers(tmp_path: Path) -> None:
    """For DeepSeek's published values, with lengths that no tiny model has."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {**YARN, "factor": 40, "original_max_position_embeddings": 4096}
    scaling |= {"mscale": 0.707, "mscale_all_dim": 0.5, "beta_fast": 32, "beta_slow": 1}
    config = config_with("llama", rope_scaling=scaling, max_position_embeddings=163840)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    frequencies, attention_factor = ROPE_INIT_FUNCTIONS["yarn"](read_theirs(tmp_path))
    architecture = read_config_json(path)
    assert architecture.rope_scaling.attention_factor == pytest.approx(attention_factor)
    assert torch.equal(rope_frequencies(architecture), frequencies)
