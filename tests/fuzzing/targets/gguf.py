# SPDX-License-Identifier: Apache-2.0
"""GGUF files: header, architecture, tensors and tokenizer.

The first byte of an input says what the rest is: a whole file, a file whose tokenizer is converted,
or the beginning of a file that continues with zeros, so that an input holds a header but not the
numbers that it announces.
"""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import gguf
import numpy as np

from shard_runtime.errors import (
    ArchitectureUnsupported,
    ConfigFieldUnsupported,
    ModelFileInvalid,
    ModelPartMissing,
    TensorAmbiguous,
    TensorInvalid,
    TensorMissing,
    TensorUnused,
    TokenizerInvalid,
)
from shard_runtime.model_files.gguf.gguf_model import open_gguf
from shard_runtime.model_files.gguf.tokenizer_json import build_tokenizer
from tests.fuzzing.memory_files import memory_folder
from tests.fuzzing.target import Target
from tests.shard_runtime.model_files.gguf.tiny_gguf import add_key

WHOLE, BEGINNING, TOKENIZER = b"wbt"
"""The first byte."""

ZEROS = 1 << 20
_FILE = memory_folder("gguf") / "model.gguf"
_SIZE = 4
_SIZES: Mapping[str, Any] = {
    "block_count": 1,
    "context_length": 8,
    "embedding_length": _SIZE,
    "feed_forward_length": _SIZE,
    "attention.head_count": 2,
    "attention.head_count_kv": 1,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "rope.freq_base": 10000.0,
    "rope.dimension_count": 2,
}
_FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "llama": {"rope.scaling.type": "linear", "rope.scaling.factor": 2.0},
    "qwen3moe": {
        "expert_count": 2,
        "expert_used_count": 1,
        "expert_feed_forward_length": _SIZE,
    },
    "gemma3": {"attention.sliding_window": 7, "attention.sliding_window_pattern": 6},
    "phi3": {"attention.sliding_window": 4, "rope.scaling.original_context_length": 4},
}


def run(data: bytes) -> None:
    """Accepted tensors lie within the file, one behind the other."""
    what, rest = data[:1], data[1:]
    _FILE.write_bytes(rest)
    if what == bytes([TOKENIZER]):
        build_tokenizer(_FILE).to_str()
        return
    if what == bytes([BEGINNING]):
        os.truncate(_FILE, len(rest) + ZEROS)
    model, _ = open_gguf(_FILE)
    end, size = 0, _FILE.stat().st_size
    for tensor in model.tensors:
        assert tensor.offset >= end
        end = tensor.offset + tensor.byte_length
    assert end <= size


def seeds() -> Mapping[str, bytes]:
    """Models of some families without the zeros at their end, a whole one, and tokenizers."""
    models = {
        f"model-{family}": bytes([BEGINNING]) + _model(family, keys).rstrip(b"\0")
        for family, keys in _FAMILIES.items()
    }
    tokenizer = bytes([TOKENIZER]) + _written("llama", _TOKENIZER, {}).rstrip(b"\0")
    whole = bytes([WHOLE]) + _model("llama", {}, {"rope_freqs.weight": (1,)})
    return models | {"whole": whole, "tokenizer": tokenizer}


_TOKENIZER: Mapping[str, Any] = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "llama-bpe",
    "tokenizer.ggml.tokens": ["a", "b", "ab", "<|eot_id|>"],
    "tokenizer.ggml.token_type": [1, 1, 1, 3],
    "tokenizer.ggml.merges": ["a b"],
    "tokenizer.ggml.bos_token_id": 3,
    "tokenizer.ggml.add_bos_token": True,
}


Shapes = Mapping[str, tuple[int, ...]]


def _model(family: str, keys: Mapping[str, Any], further: Shapes = MappingProxyType({})) -> bytes:
    named = {f"{family}.{key}": value for key, value in {**_SIZES, **keys}.items()}
    return _written(family, named, {**_shapes(family), **further})


def _shapes(family: str) -> Shapes:
    half = (_SIZE // 2, _SIZE)
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (2, _SIZE)}
    shapes |= dict.fromkeys(("output_norm.weight", "blk.0.attn_norm.weight"), (_SIZE,))
    if family == "phi3":
        shapes |= {"blk.0.attn_qkv.weight": (2 * _SIZE, _SIZE)}
    else:
        shapes |= {"blk.0.attn_q.weight": (_SIZE, _SIZE), "blk.0.attn_k.weight": half}
    if family == "qwen3moe":
        shapes |= {"blk.0.ffn_gate_exps.weight": (2, _SIZE, _SIZE)}
    if family == "llama":
        shapes |= {"blk.0.ffn_up.weight": (_SIZE, _SIZE)}
    return shapes


def _written(family: str, keys: Mapping[str, Any], shapes: Shapes) -> bytes:
    """A file by the gguf package. All weights are 0, and all divisors of frequencies 1."""
    path = _FILE.with_name("written.gguf")
    writer = gguf.GGUFWriter(path, family)
    for key, value in keys.items():
        add_key(writer, key, value)
    for name, shape in shapes.items():
        writer.add_tensor(name, np.full(shape, float(name.startswith("rope_")), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


TARGET = Target(
    name="gguf",
    summary="GGUF models and their tokenizers: shard_runtime/model_files/gguf",
    run=run,
    errors=(
        ArchitectureUnsupported,
        ConfigFieldUnsupported,
        ModelFileInvalid,
        ModelPartMissing,
        TensorAmbiguous,
        TensorInvalid,
        TensorMissing,
        TensorUnused,
        TokenizerInvalid,
    ),
    seeds=seeds,
    max_bytes=2048,
    words=(
        *(key.encode() for key in (*_TOKENIZER, "general.alignment", "split.count", "split.no")),
        *(f"llama.{key}".encode() for key in _SIZES),
        *(b"llama", b"gemma3", b"phi3", b"qwen3moe", b"gpt2", b"blk.0.ffn_gate.0.weight", b"F64"),
        *(
            n.to_bytes(8, "little")
            for n in (1 << 20, 1 << 24, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
        ),
        *(n.to_bytes(4, "little") for n in (4, 8, 9, 10, 12)),
    ),
)
