# SPDX-License-Identifier: Apache-2.0
"""Folders whose files contradict each other: read as transformers reads them, or refused by name.

given model.safetensors and an index of other or missing files
    model.safetensors should be computed
given several files without an index that hold the same tensor
    opening should fail, naming both
given a tied model whose files have an LM head
    the head should be computed if it differs from the embedding
given a quantized model, or a tensor that no part of the architecture uses
    opening should fail, naming it
given tensors that are known to have no effect
    the model should be the same without them
given a file that is not as the safetensors format demands
    opening should fail, naming file and tensor
given a model that loading would refuse
    `digest` should refuse it too
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from shard_runtime import build_manifest, load_shard, open_model
from shard_runtime.errors import (
    AdapterUnsupported,
    ModelError,
    ModelFileInvalid,
    QuantizationUnsupported,
    TensorAmbiguous,
    TensorInvalid,
    TensorMissing,
    TensorUnused,
)
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.one_run import forward_run
from tests.shard_runtime.tiny_models import LAYERS, prompt_of

Tensors = dict[str, torch.Tensor]
TOKENS = prompt_of(24, seed=3)
FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def copy_of(tiny: Callable[[str], Tiny], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a tiny model's folder."""

    def copy(name: str) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(tiny(name)[0].folder, folder)
        return folder

    return copy


@pytest.fixture
def folder(copy_of: Callable[[str], Path]) -> Path:
    return copy_of("llama")


def change(folder: Path, alter: Callable[[Tensors], None], file: str = FILE) -> None:
    tensors = load_file(folder / FILE)
    alter(tensors)
    save_file({name: each.contiguous() for name, each in tensors.items()}, folder / file)


def with_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def write_index(folder: Path, files: dict[str, str]) -> None:
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": files}))


def our_logits(folder: Path) -> torch.Tensor:
    shard = load_shard(open_model(folder), LayerRange(0, LAYERS), is_entry=True)
    cache = shard.cache_pool(1 << 24).allocate(len(TOKENS))
    return shard.logits(forward_run(shard, shard.embed(TOKENS), cache, 0))


@torch.no_grad()
def their_logits(folder: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    logits: torch.Tensor = model(torch.tensor([TOKENS]), use_cache=False).logits[0]
    return logits


def assert_equal_logits(folder: Path) -> None:
    expected = their_logits(folder)
    assert (our_logits(folder) - expected).abs().max() <= 5e-5 * expected.abs().max()


def negate_everything(tensors: Tensors) -> None:
    for tensor in tensors.values():
        tensor.neg_()


def test_open__stale_index__model_safetensors_wins_as_in_transformers(folder: Path) -> None:
    before = build_manifest(open_model(folder))
    change(folder, negate_everything, "model-00001-of-00001.safetensors")
    write_index(folder, dict.fromkeys(load_file(folder / FILE), "model-00001-of-00001.safetensors"))
    assert build_manifest(open_model(folder)) == before
    assert_equal_logits(folder)


def test_open__index_of_missing_files__does_no_harm(folder: Path) -> None:
    before = build_manifest(open_model(folder))
    write_index(folder, {UP: "model-00001-of-00002.safetensors"})
    assert build_manifest(open_model(folder)) == before
    assert_equal_logits(folder)


def test_open__index_beside_other_files__reads_only_those_of_the_index(folder: Path) -> None:
    shutil.move(folder / FILE, folder / "a.safetensors")
    tensors = load_file(folder / "a.safetensors")
    write_index(folder, dict.fromkeys(tensors, "a.safetensors"))
    save_file({"consolidated": torch.ones(2)}, folder / "consolidated.safetensors")
    assert_equal_logits(folder)


def test_open__index_names_a_missing_file__names_it(folder: Path) -> None:
    shutil.move(folder / FILE, folder / "a.safetensors")
    write_index(folder, {UP: "b.safetensors"})
    with pytest.raises(ModelFileInvalid, match=r"b\.safetensors is not valid: it cannot be read"):
        open_model(folder)


@pytest.mark.parametrize("index", [True, False], ids=["in an index", "without an index"])
def test_open__same_tensor_in_two_files__names_both(folder: Path, index: bool) -> None:
    change(folder, negate_everything, "b.safetensors")
    shutil.move(folder / FILE, folder / "a.safetensors")
    if index:
        write_index(folder, {UP: "a.safetensors", "model.norm.weight": "b.safetensors"})
    with pytest.raises(TensorAmbiguous, match=r"a\.safetensors and .*b\.safetensors both hold"):
        open_model(folder)


@pytest.mark.parametrize("name", ["llama", "llama tied", "gemma", "gemma2", "gpt2", "qwen3"])
def test_logits__tied_with_another_head__equal_transformers(
    copy_of: Callable[[str], Path], name: str
) -> None:
    folder = copy_of(name)
    embedding = "transformer.wte.weight" if name == "gpt2" else "model.embed_tokens.weight"
    with_config(folder, tie_word_embeddings=True)
    change(folder, lambda each: each.update({"lm_head.weight": each[embedding].flip(0) * 2}))
    assert not open_model(folder).architecture.tied_embedding
    assert_equal_logits(folder)


def test_digests__tied_with_a_copy_of_the_embedding__are_those_of_the_tied_model(
    copy_of: Callable[[str], Path],
) -> None:
    folder = copy_of("llama tied")
    before = build_manifest(open_model(folder))
    name = "model.embed_tokens.weight"
    change(folder, lambda each: each.update({"lm_head.weight": each[name].clone()}))
    assert build_manifest(open_model(folder)) == before
    assert_equal_logits(folder)


def test_open__untied_without_head__is_not_taken_for_tied(folder: Path) -> None:
    change(folder, lambda each: each.__delitem__("lm_head.weight"))
    with pytest.raises(TensorMissing, match=r"lm_head\.weight is missing"):
        build_manifest(open_model(folder))


@pytest.mark.parametrize(
    "config",
    [
        {"quant_method": "fp8", "weight_block_size": [128, 128]},
        {"quant_method": "gptq", "bits": 4},
        {"quant_method": "awq", "bits": 4},
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        {"quant_method": "compressed-tensors", "format": "float-quantized"},
        {"quant_method": "torchao"},
        {"quant_method": "mxfp4"},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("field", ["quantization_config", "compression_config", "quantization"])
def test_open__quantization_in_the_config__is_refused_by_name(
    folder: Path, field: str, config: dict[str, Any]
) -> None:
    with_config(folder, **{field: config})
    with pytest.raises(QuantizationUnsupported, match=f"{field} is"):
        open_model(folder)


@pytest.mark.parametrize(
    "file", ["quantize_config.json", "quant_config.json", "hf_quant_config.json"]
)
def test_open__file_of_a_quantization_tool__is_refused_by_name(folder: Path, file: str) -> None:
    (folder / file).write_text("{}")
    with pytest.raises(QuantizationUnsupported, match=file):
        open_model(folder)


def test_open__adapter_beside_the_weights__is_refused_by_name(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterUnsupported, match=r"adapter_config\.json describes an adapter"):
        open_model(folder)


@pytest.mark.parametrize("kind", ["weight_scale", "weight_scale_inv", "input_scale", "qzeros"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32], ids=str)
def test_open__scales_beside_readable_weights__are_refused_by_name(
    folder: Path, kind: str, dtype: torch.dtype
) -> None:
    name = f"model.layers.1.mlp.up_proj.{kind}"
    change(folder, lambda each: each.update({name: torch.ones(1, dtype=dtype)}))
    with pytest.raises(QuantizationUnsupported, match=name):
        open_model(folder)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8, torch.uint8], ids=str)
def test_open__weights_of_a_quantized_type__are_refused_by_name(
    folder: Path, dtype: torch.dtype
) -> None:
    change(folder, lambda each: each.update({UP: each[UP].to(dtype)}))
    with pytest.raises(TensorInvalid, match=rf"{UP} is stored as (F8_E4M3|I8|U8)"):
        open_model(folder)


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.self_attn.q_norm.weight",
        "model.layers.6.input_layernorm.weight",
        "lm_head.bias",
        "score.weight",
        "vision_tower.patch.weight",
        "model.layers.0.self_attn.sinks",
        "embed_tokens.weight",
    ],
)
def test_open__tensor_that_nothing_computes__is_refused_by_name(folder: Path, name: str) -> None:
    change(folder, lambda each: each.update({name: torch.ones(8)}))
    with pytest.raises(TensorUnused, match=name):
        open_model(folder)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq"),
        ("llama", "model.rotary_emb.inv_freq"),
        ("qwen2", "model.layers.3.self_attn.rotary_emb.cos_cached"),
        ("gpt2", "transformer.h.2.attn.bias"),
        ("gpt2", "transformer.h.2.attn.masked_bias"),
    ],
)
def test_open__tensor_without_effect__changes_nothing(
    copy_of: Callable[[str], Path], model: str, name: str
) -> None:
    folder = copy_of(model)
    before = build_manifest(open_model(folder))
    change(folder, lambda each: each.update({name: torch.full((4,), 7.0)}))
    assert build_manifest(open_model(folder)) == before
    assert_equal_logits(folder)


@pytest.mark.parametrize("shape", [(0,), (0, 48), (48, 0)], ids=str)
def test_open__tensor_without_elements__changes_nothing(
    folder: Path, shape: tuple[int, ...]
) -> None:
    before = build_manifest(open_model(folder))
    change(folder, lambda each: each.update({"model.extra_state": torch.empty(shape)}))
    assert build_manifest(open_model(folder)) == before
    assert_equal_logits(folder)


def test_digest__weight_without_elements__names_it(folder: Path) -> None:
    change(folder, lambda each: each.update({UP: torch.empty(0)}))
    with pytest.raises(TensorInvalid, match=rf"{UP} has shape \(0,\), not \(80, 48\)"):
        build_manifest(open_model(folder))


def write_raw(folder: Path, header: str, size: int) -> None:
    data = header.encode()
    (folder / FILE).write_bytes(len(data).to_bytes(8, "little") + data + bytes(size))


ONE = '"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'


@pytest.mark.parametrize(
    ("header", "size", "why"),
    [
        (f"{{{ONE}, {ONE}}}", 4, "has the field a more than once"),
        (
            f'{{{ONE}, "b": {{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}}}',
            4,
            "overlaps",
        ),
        ('{"b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}', 8, "leaves a gap"),
        (f"{{{ONE}}}", 12, "bytes that belong to no tensor"),
        ('{"a": {"dtype": "Q4_0", "shape": [1], "data_offsets": [0, 4]}}', 4, "type Q4_0"),
        ('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}', 4, "match its shape"),
        ('{"a": {"dtype": "I8", "shape": [2], "data_offsets": [0, 4]}}', 4, "match its shape"),
        ('{"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}}', 4, "malformed"),
        ('{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}', 4, "malformed"),
        ('{"a": {"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}}', 4, "malformed"),
        (f'{{{ONE[:-1]}, "scale": 2.0}}}}', 4, "malformed"),
        ("[" * 5000, 4, "more than 64 deep"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_open__header_against_the_format__names_the_file(
    folder: Path, header: str, size: int, why: str
) -> None:
    write_raw(folder, header, size)
    with pytest.raises(ModelFileInvalid, match=why):
        open_model(folder)


@pytest.mark.parametrize(
    "alter",
    [
        lambda each: each.update({UP: torch.ones(3, 3)}),
        lambda each: each.update({UP: each[UP].int()}),
        lambda each: each.__delitem__(UP),
        lambda each: each.update({"model.norm.weight": torch.ones(1, 48)}),
    ],
    ids=["another shape", "integers", "missing", "another rank"],
)
def test_digest__model_that_loading_refuses__raises_the_same(
    folder: Path, alter: Callable[[Tensors], None]
) -> None:
    change(folder, alter)
    with pytest.raises(ModelError) as loading:
        load_shard(open_model(folder), LayerRange(0, LAYERS), is_entry=True)
    with pytest.raises(ModelError) as publishing:
        build_manifest(open_model(folder))
    assert str(publishing.value) == str(loading.value)
