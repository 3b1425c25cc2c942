# SPDX-License-Identifier: Apache-2.0
"""The headers of safetensors files, the index of a model in several files, and config.json.

The first byte of an input says which of them the rest is.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from shard_runtime.errors import (
    ArchitectureUnsupported,
    ConfigFieldUnsupported,
    ModelFileInvalid,
    QuantizationUnsupported,
    TensorAmbiguous,
    TensorInvalid,
    TensorUnused,
)
from shard_runtime.model_files.folder import read_folder
from shard_runtime.model_files.tensors.safetensors_file import read_safetensors
from shard_runtime.model_files.tensors.tensor_store import read_pieces
from tests.fuzzing.memory_files import memory_folder
from tests.fuzzing.target import Target

FILE, INDEX, CONFIG = b"fic"
"""The first byte."""

_PART = save({"a": np.ones(3, np.float32)})
_SINGLE, _PARTS, _MODEL = (memory_folder(f"safetensors-{name}") for name in ("1", "2", "model"))
(_MODEL / "model.safetensors").write_bytes(
    save(
        {
            "model.embed_tokens.weight": np.zeros((8, 4), np.float32),
            "model.layers.0.self_attn.q_proj.weight": np.zeros((4, 4), np.float32),
            "model.layers.1.input_layernorm.weight": np.zeros(4, np.float32),
        }
    )
)
_LLAMA: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4,
    "intermediate_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 8,
    "max_position_embeddings": 16,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "rope_scaling": {"rope_type": "linear", "factor": 2.0},
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "torch_dtype": "float32",
}
MIXTURE: Mapping[str, Any] = {
    **_LLAMA,
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "head_dim": 2,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 4,
    "norm_topk_prob": True,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [1],
    "rope_scaling": None,
}
for _name in ("model-1.safetensors", "model-2.safetensors"):
    (_PARTS / _name).write_bytes(_PART)


def run(data: bytes) -> None:
    """Accepted tensors lie within the file, and are those that the safetensors package finds."""
    if data[:1] == bytes([INDEX]):
        (_PARTS / "model.safetensors.index.json").write_bytes(data[1:])
        read_safetensors(_PARTS)
        return
    if data[:1] == bytes([CONFIG]):
        (_MODEL / "config.json").write_bytes(data[1:])
        read_folder(_MODEL)
        return
    file = _SINGLE / "model.safetensors"
    file.write_bytes(data[1:])
    tensors = read_safetensors(_SINGLE)
    found = {each.name: (each.dtype, each.shape, b"") for each in tensors}
    for each in tensors:
        content = b"".join(bytes(piece) for _, piece in read_pieces(each))
        assert len(content) == each.byte_length
        found[each.name] = (each.dtype, each.shape, content)
    reference = _reference(data[1:])
    assert reference is None or found == reference


def seeds() -> Mapping[str, bytes]:
    """What the safetensors package writes."""
    several = {
        "model.embed_tokens.weight": np.ones((2, 4), np.float32),
        "model.norm.weight": np.ones(4, np.float16),
        "empty": np.ones((0, 4), np.int8),
    }
    files = {"a": "model-1.safetensors"}
    index = {"metadata": {"total_size": 12}, "weight_map": files}
    return {
        "one-tensor": bytes([FILE]) + _PART,
        "several-tensors": bytes([FILE]) + save(several, {"format": "pt"}),
        "no-tensor": bytes([FILE]) + (2).to_bytes(8, "little") + b"{}",
        "index": bytes([INDEX]) + json.dumps(index).encode(),
        "config-llama": bytes([CONFIG]) + json.dumps(_LLAMA).encode(),
        "config-mixture": bytes([CONFIG]) + json.dumps(MIXTURE).encode(),
    }


def _reference(data: bytes) -> dict[str, Any] | None:
    """What the safetensors package finds; None if it refuses."""
    try:
        found = deserialize(data)
    except SafetensorError:
        return None
    return {
        name: (each["dtype"], tuple(each["shape"]), bytes(each["data"])) for name, each in found
    }


TARGET = Target(
    name="safetensors",
    summary="safetensors folders, config.json too: shard_runtime/model_files/{tensors,config}",
    run=run,
    errors=(
        ArchitectureUnsupported,
        ConfigFieldUnsupported,
        ModelFileInvalid,
        QuantizationUnsupported,
        TensorAmbiguous,
        TensorInvalid,
        TensorUnused,
    ),
    seeds=seeds,
    max_bytes=1024,
    words=(
        *(b'"dtype":', b'"shape":', b'"data_offsets":', b'"__metadata__":', b'"weight_map":'),
        *(b'"F32"', b'"BF16"', b'"F4"', b'"F6_E2M3"', b"[0,0]", b"[]", b"{}", b"null", b"1e999"),
        *(f'"{name}":'.encode() for name in MIXTURE),
        *(b'"yarn"', b'"llama3"', b'"longrope"', b'"gemma3"', b'"gpt2"', b'"phi3"', b'"mixtral"'),
        *(b"2147483647", b"65535", b"0.0", b"-1", b"1e-300"),
        *(b"\\ud800", b'"../model-1.safetensors"', b"18446744073709551615"),
    ),
)
