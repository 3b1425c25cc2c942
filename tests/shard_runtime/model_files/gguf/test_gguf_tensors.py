# SPDX-License-Identifier: Apache-2.0
"""Tensors of a GGUF that nothing computes are refused, as are those of another shape or type.

given a tensor that the architecture has no place for
    opening should name it
given weights in a type that holds none, in F64, or in another shape
    opening should name tensor and type or shape
given a model that opening refuses
    digest, prepare and every shard should refuse it likewise
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shard_runtime import load_shard, open_model
from shard_runtime.errors import ArchitectureUnsupported, TensorInvalid, TensorMissing, TensorUnused
from shard_runtime.model_files.digests import build_manifest
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.model_files.gguf.tiny_gguf import (
    ARCHITECTURES,
    HIDDEN,
    LAYERS,
    REMOVED,
    VOCABULARY,
    Case,
    write_case,
)

UNUSED: dict[str, tuple[int, ...]] = {
    "blk.0.attn_q.scale": (1,),
    "blk.0.attn_output.scale": (1,),
    "blk.0.attn_qkv.input_scale": (1,),
    "blk.1.ffn_up.scale": (1,),
    "blk.1.ffn_down_exps.scale": (4,),
    "token_embd.scale": (1,),
    "output.scale": (1,),
    "output.bias": (VOCABULARY,),
    "blk.0.attn_sinks.weight": (4,),
    "blk.0.attn_rot_embd.weight": (4,),
    "blk.0.rope_freqs.weight": (4,),
    "blk.0.ffn_gate_inp_shexp.weight": (HIDDEN,),
    "blk.0.layer_output_scale.weight": (1,),
    f"blk.{LAYERS}.attn_norm.weight": (HIDDEN,),
    "token_embd_norm.weight": (HIDDEN,),
    "cls.output.weight": (HIDDEN,),
    "v.blk.0.attn_q.weight": (HIDDEN,),
    "something": (1,),
}


@pytest.mark.parametrize("name", UNUSED)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_open__tensor_that_nothing_computes__is_named(
    architecture: str, name: str, tmp_path: Path
) -> None:
    path = write_case(Case(architecture, tensors={name: UNUSED[name]}), tmp_path / "model.gguf")
    with pytest.raises(TensorUnused) as raised:
        open_model(path)
    assert raised.value.tensors == (name,)
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("architecture", "name", "shape"),
    [
        ("llama", "blk.0.attn_q_norm.weight", (8,)),
        ("qwen2", "blk.0.attn_k_norm.weight", (8,)),
        ("llama", "blk.1.attn_q.bias", (32,)),  # none in layer 0
        ("llama", "blk.0.attn_norm.bias", (32,)),
        ("llama", "blk.0.post_attention_norm.weight", (32,)),
        ("gemma", "output.weight", (VOCABULARY, HIDDEN)),
        ("gemma2", "output.weight", (VOCABULARY, HIDDEN)),
        ("qwen2", "rope_freqs.weight", (4,)),
        ("gemma3", "rope_freqs.weight", (4,)),
        ("phi3", "rope_freqs.weight", (4,)),
        ("llama", "rope_factors_long.weight", (4,)),
        ("qwen3", "rope_factors_short.weight", (4,)),
        ("gpt2", "rope_freqs.weight", (4,)),
        ("llama", "blk.0.ffn_gate_exps.weight", (4, 48, 32)),
        ("mixtral", "blk.0.ffn_gate.weight", (48, 32)),
        ("mixtral", "blk.0.exp_probs_b.bias", (4,)),
        ("phi3", "blk.0.ffn_gate.weight", (48, 32)),
    ],
    ids=str,
)
def test_open__tensor_of_another_architecture__is_named(
    architecture: str, name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    """llama.cpp refuses these, too: it counts the tensors that it creates."""
    path = write_case(Case(architecture, tensors={name: shape}), tmp_path / "model.gguf")
    with pytest.raises(TensorUnused, match=name):
        open_model(path)


@pytest.mark.parametrize("name", ["token_embd.weight", "blk.1.attn_q.weight", "output_norm.weight"])
@pytest.mark.parametrize(
    "kind", [np.float64, np.int8, np.int16, np.int32, np.int64], ids=lambda kind: kind.__name__
)
def test_open__weights_in_a_type_that_is_not_computed__names_it(
    name: str, kind: Any, tmp_path: Path
) -> None:
    shape = (HIDDEN,) if "norm" in name else (VOCABULARY if "embd" in name else HIDDEN, HIDDEN)
    case = Case("llama", tensors={name: np.ones(shape, kind)})
    path = write_case(case, tmp_path / "model.gguf")
    expected = {"float64": "F64"}.get(kind.__name__, kind.__name__.replace("int", "I"))
    with pytest.raises(TensorInvalid, match=f"{name} is stored as {expected}"):
        open_model(path)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("blk.1.attn_q.weight", (32, 31)),
        ("blk.1.attn_q.weight", (16, 32)),
        ("output_norm.weight", (1, 32)),
        ("output.weight", (VOCABULARY + 1, HIDDEN)),
        ("blk.3.ffn_down.weight", (48, 32)),
    ],
    ids=str,
)
def test_open__tensor_of_another_shape__names_both(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = write_case(Case("llama", tensors={name: shape}), tmp_path / "model.gguf")
    with pytest.raises(TensorInvalid, match=rf"{name} has shape \({shape[0]}, .*, not \("):
        open_model(path)


def test_open__vocabulary_of_another_size__names_the_embedding(tmp_path: Path) -> None:
    path = write_case(Case("llama", {"vocab_size": 63}), tmp_path / "model.gguf")
    with pytest.raises(TensorInvalid, match=r"token_embd.weight has shape \(64, 32\), not \(63, "):
        open_model(path)


@pytest.mark.parametrize(
    ("numbers", "rule"),
    [
        (np.array([1, 2, 0, 4], np.float32), "must be a list of numbers above 0"),
        (np.array([1, 2, -3, 4], np.float32), "must be a list of numbers above 0"),
        (np.array([1, np.nan, 3, 4], np.float32), "must be a list of numbers above 0"),
        (np.array([1, np.inf, 3, 4], np.float32), "must be a list of numbers above 0"),
        (np.ones((2, 2), np.float32), "must be a list of numbers above 0"),
        (np.ones(4, np.int32), "is stored as I32"),
    ],
    ids=str,
)
def test_open__divisors_that_are_none__names_them(numbers: Any, rule: str, tmp_path: Path) -> None:
    case = Case("llama", tensors={"rope_freqs.weight": numbers})
    with pytest.raises(TensorInvalid, match=rf"rope_freqs\.weight {rule}"):
        open_model(write_case(case, tmp_path / "model.gguf"))


@pytest.mark.parametrize("keys", [{"rope.scaling.factor": 4.0}, {"rope.scaling.type": "yarn"}])
def test_open__divisors_and_scaling_at_once__are_refused(
    keys: dict[str, Any], tmp_path: Path
) -> None:
    case = Case("llama", keys, {"rope_freqs.weight": (4,)})
    with pytest.raises(ArchitectureUnsupported, match=r"combines rope_freqs\.weight with"):
        open_model(write_case(case, tmp_path / "model.gguf"))


def test_open__half_of_the_longrope_divisors__names_the_other(tmp_path: Path) -> None:
    case = Case("phi3", tensors={"rope_factors_long.weight": (4,)})
    with pytest.raises(TensorMissing, match="rope_factors_short"):
        open_model(write_case(case, tmp_path / "model.gguf"))


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("qwen3", "blk.2.attn_q_norm.weight"),
        ("gemma3", "blk.2.attn_k_norm.weight"),
        ("gemma2", "blk.2.post_ffw_norm.weight"),
        ("qwen2", "blk.2.attn_k.bias"),
        ("mixtral", "blk.2.ffn_gate_inp.weight"),
        ("llama", "blk.2.attn_q.weight"),
    ],
)
def test_digest__tensor_missing__is_refused_as_loading_would(
    architecture: str, name: str, tmp_path: Path
) -> None:
    case = Case(architecture, tensors={name: REMOVED})
    source = open_model(write_case(case, tmp_path / "model.gguf"))
    with pytest.raises(TensorMissing, match=name):
        build_manifest(source)
    with pytest.raises(TensorMissing, match=name):
        load_shard(source, LayerRange(0, LAYERS), is_entry=True)
