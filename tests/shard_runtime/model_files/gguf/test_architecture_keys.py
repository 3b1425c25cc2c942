# SPDX-License-Identifier: Apache-2.0
"""Keys of a GGUF's metadata that are neither computed nor known to have no effect are refused.

given a key that llama.cpp reads for other architectures only, or for none, or whose value says
something else than is computed
    opening it should name the key and the value
given a value of another type or out of bounds
    opening it should name the key and what it must be
given notes about the model
    they should have no effect
"""

from pathlib import Path
from typing import Any

import gguf
import pytest

from shard_runtime import open_model
from shard_runtime.architecture import Architecture
from shard_runtime.errors import (
    ArchitectureUnsupported,
    ConfigFieldUnsupported,
    ModelError,
    ModelFileInvalid,
)
from tests.shard_runtime.model_files.gguf.tiny_gguf import (
    ARCHITECTURES,
    HEADS,
    LAYERS,
    REMOVED,
    Case,
    prefix_of,
    write_case,
)

YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0}


def opened(folder: Path, architecture: str, **keys: Any) -> Architecture:
    return open_model(write_case(Case(architecture, keys), folder / "model.gguf")).architecture


REFUSED_EVERYWHERE: dict[str, Any] = {
    "attention.causal": False,
    "attention.clamp_kqv": 8.0,
    "attention.max_alibi_bias": 8.0,
    "attention.output_scale": 0.5,
    "attention.value_scale": 0.5,
    "attention.temperature_length": 4,
    "attention.temperature_scale": 0.5,
    "attention.shared_kv_layers": 2,
    "attention.q_lora_rank": 8,
    "attention.group_norm_groups": 2,
    "attention.layer_norm_rms_epsilonn": 1e-5,
    "residual_scale": 0.5,
    "logit_scale": 0.5,
    "embedding_scale": 3.0,
    "router_logit_softcapping": 30.0,
    "expert_shared_count": 1,
    "expert_group_count": 2,
    "expert_gating_func": 2,
    "expert_weights_norm": False,
    "expert_weights_scale": 2.5,
    "leading_dense_block_count": 1,
    "moe_every_n_layers": 2,
    "interleave_moe_layer_step": 2,
    "use_parallel_residual": True,
    "tensor_data_layout": "another",
    "hidden_activation": "relu",
    "pooling_type": 1,
    "nextn_predict_layers": 1,
    "embedding_length_out": 16,
    "rope.scaling.alpha": 4.0,
    "rope.dimension_sections": [2, 2, 0, 0],
    "ssm.state_size": 16,
    "future_key": "x",
}
REFUSED_BEYOND_GEMMA = {
    "attention.scale": 0.5,
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0,
    "rope.freq_base_swa": 500.0,
    "rope.dimension_count_swa": 8,
    "attention.key_length_swa": 8,
}


@pytest.mark.parametrize("key", REFUSED_EVERYWHERE)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_open__key_that_is_not_computed__is_refused_by_name(
    architecture: str, key: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigFieldUnsupported) as raised:
        opened(tmp_path, architecture, **{key: REFUSED_EVERYWHERE[key]})
    assert raised.value.field == f"{prefix_of(architecture)}.{key}"
    assert raised.value.value in str(raised.value)


@pytest.mark.parametrize("key", REFUSED_BEYOND_GEMMA)
@pytest.mark.parametrize(
    "architecture", [name for name in ARCHITECTURES if name not in ("gemma2", "gemma3")]
)
def test_open__key_of_gemma_elsewhere__is_refused_by_name(
    architecture: str, key: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigFieldUnsupported, match=key):
        opened(tmp_path, architecture, **{key: REFUSED_BEYOND_GEMMA[key]})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("yarn_beta_fast", 16.0),
        ("yarn_beta_slow", 2.0),
        ("yarn_ext_factor", 0.5),
        ("yarn_ext_factor", 0.0),
        ("yarn_attn_factor", 0.5),
        ("yarn_log_multiplier", 0.1),
        ("attention_factor", 1.0),
        ("mscale", 1.0),
    ],
)
def test_open__yarn_parameter_that_llama_cpp_ignores__is_refused(
    key: str, value: float, tmp_path: Path
) -> None:
    with pytest.raises(ConfigFieldUnsupported, match=rf"llama\.rope\.scaling\.{key} to "):
        opened(tmp_path, "llama", **YARN, **{f"rope.scaling.{key}": value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clip.vision.block_count", 2),
        ("qwen2.attention.head_count", 4),
        ("adapter.type", "lora"),
        ("training.type", "finetune_lora"),
        ("context_length", 64),
        ("general.type", "adapter"),
        ("general.type", "mmproj"),
        ("general.quantization_version", 1),
    ],
)
def test_open__key_outside_the_architecture__is_refused_by_name(
    key: str, value: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigFieldUnsupported) as raised:
        opened(tmp_path, "llama", **{f".{key}": value})
    assert raised.value.field == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("general.name", "a model"),
        ("general.type", "model"),
        ("general.file_type", 7),
        ("general.quantization_version", 2),
        ("general.sampling.temp", 0.5),
        ("general.base_model.0.name", "another"),
        ("general.tags", ["x"] * 2000),
        ("quantize.imatrix.entries_count", 3),
        ("mradermacher.quantized_on", "x"),
        ("tokenizer.ggml.pre", "default"),
        ("split.count", 1),
        ("split.count", 0),
    ],
)
def test_open__note_about_the_model__has_no_effect(key: str, value: Any, tmp_path: Path) -> None:
    plain = opened(tmp_path, "llama")
    assert opened(tmp_path, "llama", **{f".{key}": value}) == plain


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("context_length", 64.0, "must be an integer, not 64.0"),
        ("context_length", "64", 'must be an integer, not "64"'),
        ("context_length", True, "must be an integer, not true"),
        ("context_length", 0, "must be an integer from 1 to"),
        ("context_length", [64], "must be an integer, not"),
        ("block_count", [4] * 4, "must be an integer"),
        ("rope.freq_base", 10000, "must be a number with a decimal point, not 10000"),
        ("rope.freq_base", "10000", "must be a number with a decimal point"),
        ("rope.freq_base", [10000.0] * 4, "must be a number with a decimal point"),
        ("rope.freq_base", -1.0, "must be a number of at least 0"),
        ("rope.freq_base", float("nan"), "must be a number of at least 0"),
        ("rope.freq_base", float("inf"), "must be a number of at least 0"),
        ("rope.scaling.type", 1, "must be a string, not 1"),
        ("rope.scaling.factor", "4", "must be a number with a decimal point"),
        ("rope.scaling.factor", -4.0, "must be a number of at least 0"),
        ("rope.scaling.factor", 0.5, "factor must be at least 1"),
        ("rope.scaling.attn_factor", 0.0, "must be a number above 0"),
        ("attention.causal", 1, "must be true or false, not 1"),
        ("attention.head_count_kv", 3, "multiple of the key-value head count"),
        ("attention.head_count", [4] * 5, "has 5 values for 4 layers"),
        ("attention.head_count", [4.0] * 4, "must be an integer from 1"),
        ("attention.head_count", [4] * 2000, "must be an integer or a list, not null"),
        ("expert_used_count", 2, "is 2, but there are no experts"),
    ],
    ids=str,
)
def test_open__value_of_another_kind__says_what_it_must_be(
    key: str, value: Any, rule: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileInvalid, match=rule) as raised:
        opened(tmp_path, "llama", **{key: value})
    if key.split(".")[-1] not in ("factor", "head_count_kv"):
        assert f"llama.{key}" in str(raised.value)


@pytest.mark.parametrize(
    "key",
    [
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
        "attention.layer_norm_rms_epsilon",
    ],
)
def test_open__needed_key_absent__is_named(key: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileInvalid, match=f"{key} is missing"):
        opened(tmp_path, "llama", **{key: REMOVED})


@pytest.mark.parametrize(
    ("architecture", "keys", "feature"),
    [
        ("llama", {"attention.head_count_kv": [2, 2, 1, 2]}, "head_count_kv differs by layer: .2"),
        ("llama", {"feed_forward_length": [48, 48, 24, 48]}, "feed_forward_length differs"),
        ("llama", {"rope.dimension_count": 4}, "rotates 4 .* of 8 dimensions"),
        ("gemma2", {"rope.dimension_count_swa": 4}, r"with a window: 4\) of 8"),
        ("llama", {"attention.value_length": 4}, "value_length is 4, but the length of keys is 8"),
        ("qwen3", {"attention.key_length": 16}, "value_length is 8, but the length of keys is 16"),
        ("gemma3", {"attention.key_length_swa": 4}, "key_length_swa is 4"),
        ("llama", {"rope.scaling.type": "dynamic"}, "the RoPE scaling is dynamic"),
        ("llama", {"rope.scaling.type": ""}, "the RoPE scaling is "),
        ("phi3", {"rope.scaling.type": "su"}, "the RoPE scaling is su"),
        ("gemma2", {"rope.freq_base_swa": 500.0}, "rope.freq_base_swa is 500"),
        ("gemma3", YARN, "its RoPE scaling is yarn"),
        ("gemma3", {"rope.scaling.attn_factor": 0.5}, "an attention factor of 0.5"),
        ("mixtral", {"attention.head_count": [HEADS] * (LAYERS - 1) + [2]}, "head_count differs"),
    ],
    ids=str,
)
def test_open__feature_that_is_not_computed__is_named(
    architecture: str, keys: dict[str, Any], feature: str, tmp_path: Path
) -> None:
    with pytest.raises(ArchitectureUnsupported, match=feature):
        opened(tmp_path, architecture, **keys)


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "gemma", "gemma2", "phi3", "gpt2"])
def test_open__experts_of_a_dense_architecture__are_refused(
    architecture: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigFieldUnsupported, match=f"{architecture}.expert_count to 4"):
        opened(tmp_path, architecture, expert_count=4)


@pytest.mark.parametrize("name", ["mamba", "llama4", "clip", "LLAMA", "llama "])
def test_open__other_architecture__is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, name)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ArchitectureUnsupported, match=f"'{name}' is not supported"):
        open_model(path)


@pytest.mark.parametrize("kind", list(gguf.GGUFValueType))
@pytest.mark.parametrize("key", ["llama.rope.scaling.factor", "llama.block_count", "llama.other"])
def test_open__every_type_of_value__opens_or_raises_a_model_error(
    kind: gguf.GGUFValueType, key: str, tmp_path: Path
) -> None:
    text = kind in (gguf.GGUFValueType.STRING, gguf.GGUFValueType.ARRAY)
    value: Any = ["4"] if kind == gguf.GGUFValueType.ARRAY else "4" if text else 4
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_key_value(key, value, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ModelError):
        open_model(path)
