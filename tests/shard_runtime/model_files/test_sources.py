# SPDX-License-Identifier: Apache-2.0
"""Opening models from folders and files.

given a folder with one safetensors file, or with several, with or without an index
    it should load the same model
given a folder or file that does not exist, is empty, or has two GGUF files
    it should say what is expected
given a config that is not supported
    it should name the architecture and the reason
given a damaged safetensors file
    it should name the file
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from shard_runtime import build_manifest, load_shard, open_model
from shard_runtime.errors import (
    ArchitectureUnsupported,
    ModelError,
    ModelFileInvalid,
    ModelNotFound,
    SplitInvalid,
    TensorInvalid,
    TensorMissing,
)
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.tiny_models import LAYERS, save

CONFIG = {
    "model_type": "llama",
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "vocab_size": 199,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-6,
}

LONGROPE = {
    "type": "su",
    "short_factor": [1.0] * 4,
    "long_factor": [2.0] * 4,
    "original_max_position_embeddings": 32,
}


def write_config(folder: Path, **changes: Any) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    if not list(folder.glob("*.safetensors")):
        (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")


def in_two_files(folder: Path, *, index: bool) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    if index:
        weight_map = {name: file for file, part in halves.items() for name in part}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("index", [True, False], ids=["with an index", "without"])
def test_open__several_files__are_the_same_model(
    tiny: Callable[[str], Tiny], tmp_path: Path, index: bool
) -> None:
    save("llama", tmp_path)
    in_two_files(tmp_path, index=index)
    there, here = build_manifest(tiny("llama")[0]), build_manifest(open_model(tmp_path))
    assert here.layer_digests == there.layer_digests
    assert here.head_digest == there.head_digest


@pytest.mark.parametrize("name", ["missing-model", "./not/here", "/not/here.gguf"])
def test_open__nothing_there__says_what_is_expected(name: str) -> None:
    with pytest.raises(ModelNotFound, match="Give a folder with"):
        open_model(name)


@pytest.mark.parametrize("count", [0, 2])
def test_open__folder_without_exactly_one_gguf__counts_them(tmp_path: Path, count: int) -> None:
    for number in range(count):
        (tmp_path / f"{number}.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelNotFound, match=f"and {count} "):
        open_model(tmp_path)


@pytest.mark.parametrize(
    ("changes", "name", "why"),
    [
        ({"model_type": "mamba2"}, "mamba2", "the family is unknown"),
        ({"model_type": "gpt_oss"}, "gpt_oss", "Supported are llama, mistral, .* and gpt2"),
        (
            {"model_type": "mistral3", "text_config": {"model_type": "ministral3"}},
            "ministral3",
            "the family is unknown",
        ),
        ({"hidden_act": "relu2"}, "llama", "the activation is relu2"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "llama", "scaling is dynamic"),
        ({"rope_parameters": {"rope_type": "mrope"}}, "qwen2", "scaling is mrope"),
        ({"partial_rotary_factor": 0.5}, "llama", "rotates only part of each head"),
        ({"partial_rotary_factor": 0.5}, "mixtral", "rotates only part of each head"),
        ({"use_bidirectional_attention": True}, "gemma", "attend to later ones"),
        ({"use_bidirectional_attention": True}, "gemma2", "attend to later ones"),
        ({"attn_logit_softcapping": 50.0}, "gemma3", "caps attention scores"),
        (
            {"rope_parameters": {"sliding_attention": {"rope_type": "yarn"}}},
            "gemma3",
            "layers with a window use RoPE scaling",
        ),
        ({"layer_types": ["linear_attention"] * LAYERS}, "gemma2", "of kind linear_attention"),
        ({"scale_attn_by_inverse_layer_idx": True}, "gpt2", "scales attention by layer"),
        ({"add_cross_attention": True}, "gpt2", "attends to an encoder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_open__unsupported_model__is_named(
    tmp_path: Path, changes: dict[str, Any], name: str, why: str
) -> None:
    model_type = {"gemma3": "gemma3_text"}.get(name, name)
    write_config(tmp_path, **({"model_type": model_type} | changes))
    if model_type == "gpt2":
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"} | changes))
    with pytest.raises(ArchitectureUnsupported, match=why) as raised:
        open_model(tmp_path)
    assert raised.value.name == name


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": None},
        {"hidden_size": "48"},
        {"hidden_size": 2**40},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": 2**31 - 1},
        {"num_key_value_heads": 4},
        {"head_dim": 7},
        {"rope_theta": -1},
        {"rope_parameters": [1]},
        {"tie_word_embeddings": "yes"},
        {"rope_parameters": {"rope_type": "longrope"}},
        {"model_type": "phi3", "rope_scaling": LONGROPE | {"short_factor": [1.0, 2.0]}},
        {"model_type": "phi3", "rope_scaling": LONGROPE | {"long_factor": [1.0, 2.0, 0.0, 1.0]}},
        {"model_type": "phi3", "partial_rotary_factor": 0.4},
        {"model_type": "mixtral", "num_experts_per_tok": 9},
        {"model_type": "qwen3_moe", "mlp_only_layers": [-1]},
    ],
    ids=str,
)
def test_open__contradictory_config__raises_model_file_invalid(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    write_config(tmp_path, **changes)
    with pytest.raises(ModelFileInvalid, match=r"config\.json is not valid"):
        open_model(tmp_path)


def test_open__text_config_that_is_no_object__raises_model_file_invalid(tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gemma3", "text_config": [1]}')
    with pytest.raises(ModelFileInvalid, match="text_config must be an object or null, not"):
        open_model(tmp_path)


def test_open__config_of_transformers_4__is_read_like_that_of_5(tmp_path: Path) -> None:
    (old, new) = (tmp_path / "old", tmp_path / "new")
    old.mkdir()
    new.mkdir()
    write_config(old, rope_theta=5000.0, rope_scaling={"type": "linear", "factor": 2.0})
    write_config(new, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0})
    assert open_model(old).architecture == open_model(new).architecture


def test_load_shard__tensor_of_another_shape__names_it(tmp_path: Path) -> None:
    save("llama", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    with pytest.raises(TensorInvalid, match=r"mlp\.down_proj\.weight has shape \(48, 80\)"):
        load_shard(open_model(tmp_path), LayerRange(0, 1), is_entry=False)


def test_load_shard__tensor_missing__is_named_only_if_the_shard_needs_it(tmp_path: Path) -> None:
    save("llama", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.layers.3.mlp.up_proj.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    source = open_model(tmp_path)
    load_shard(source, LayerRange(0, 3), is_entry=True)
    with pytest.raises(TensorMissing) as raised:
        load_shard(source, LayerRange(3, 6), is_entry=False)
    assert raised.value.tensor == "model.layers.3.mlp.up_proj.weight"


def test_load_shard__integers_for_weights__names_their_type(tmp_path: Path) -> None:
    save("llama", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"].int()
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(TensorInvalid, match=r"model\.norm\.weight is stored as I32"):
        load_shard(open_model(tmp_path), LayerRange(0, 1), is_entry=True)


def test_load_shard__layers_beyond_the_model__raises_split_invalid(
    tiny: Callable[[str], Tiny],
) -> None:
    with pytest.raises(SplitInvalid, match="reaches beyond 6 layers"):
        load_shard(tiny("llama")[0], LayerRange(5, 7), is_entry=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_open__damaged_safetensors__opens_or_raises_a_model_error(
    tmp_path: Path, data: st.DataObject
) -> None:
    folder = tmp_path / "model"
    if not folder.exists():
        save("llama", folder)
    whole = (folder / "model.safetensors").read_bytes()
    damaged = bytearray(whole)
    offset = data.draw(st.integers(0, 7000))
    damaged[offset] ^= data.draw(st.integers(1, 255))
    other = tmp_path / "damaged"
    other.mkdir(exist_ok=True)
    (other / "config.json").write_bytes((folder / "config.json").read_bytes())
    (other / "model.safetensors").write_bytes(damaged)
    with suppress(ModelError):
        load_shard(open_model(other), LayerRange(0, LAYERS), is_entry=True)


def test_open__safetensors_cut_off__names_the_file(tmp_path: Path) -> None:
    save("llama", tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelFileInvalid, match="reaches beyond the end of the file"):
        open_model(tmp_path)
