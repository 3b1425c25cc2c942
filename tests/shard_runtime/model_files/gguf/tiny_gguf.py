# SPDX-License-Identifier: Apache-2.0
"""Small GGUF files with weights from a formula, so that recorded logits stay comparable.

A file of each architecture has the keys that llama.cpp's converter writes. A test changes, adds or
removes keys and tensors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Numbers = np.ndarray[Any, Any]

LAYERS, HIDDEN, INNER, HEADS, KV_HEADS, HEAD_SIZE = 4, 32, 48, 4, 2, 8
VOCABULARY, CONTEXT, EXPERTS = 64, 64, 4
PROMPT = tuple(5 + 7 * index % 53 for index in range(40))

REMOVED = object()
"""In the place of a value: the key or tensor is left out."""

_SIZES: Mapping[str, Any] = {
    "block_count": LAYERS,
    "context_length": CONTEXT,
    "embedding_length": HIDDEN,
    "feed_forward_length": INNER,
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV_HEADS,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "rope.freq_base": 10000.0,
    "vocab_size": VOCABULARY,
}
_GEMMA = {"attention.key_length": HEAD_SIZE, "attention.value_length": HEAD_SIZE}
_FAMILY_KEYS: Mapping[str, Mapping[str, Any]] = {
    "llama": {"rope.dimension_count": HEAD_SIZE},
    "mixtral": {"expert_count": EXPERTS, "expert_used_count": 2},
    "qwen3moe": {
        "expert_count": EXPERTS,
        "expert_used_count": 2,
        "expert_feed_forward_length": INNER,
    },
    "gemma": _GEMMA,
    "gemma2": _GEMMA
    | {
        "attention.sliding_window": 7,
        "attn_logit_softcapping": 5.0,
        "final_logit_softcapping": 20.0,
    },
    "gemma3": _GEMMA | {"attention.sliding_window": 7},
    "phi3": {"rope.dimension_count": HEAD_SIZE},
    "gpt2": {
        "attention.head_count_kv": HEADS,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.layer_norm_rms_epsilon": REMOVED,
        "rope.freq_base": REMOVED,
    },
}
ARCHITECTURES = ("llama", "qwen2", "qwen3", *(name for name in _FAMILY_KEYS if name != "llama"))
"""`general.architecture`, and mixtral: a `llama` with experts."""


@dataclass(frozen=True)
class Case:
    """A file that differs from its architecture's."""

    architecture: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    """With the architecture's prefix unless they begin with a dot; `REMOVED` leaves one out."""
    tensors: Mapping[str, Any] = field(default_factory=dict)
    """Arrays, or the shapes of tensors with weights from the formula."""


def weights(name: str, *shape: int, size: float = 0.3, around: float = 0.0) -> Numbers:
    """Numbers without structure that are the same everywhere."""
    count, start = int(np.prod(shape)), sum(ord(letter) * 31**at for at, letter in enumerate(name))
    angles = np.arange(1, count + 1, dtype=np.float64) * 12.9898 + start % 100_003
    noise = np.sin(angles) * 43758.5453
    numbers = around + size * (2 * (noise - np.floor(noise)) - 1) * 1.7
    return numbers.reshape(shape).astype(np.float32)


def prefix_of(architecture: str) -> str:
    """`general.architecture`."""
    return "llama" if architecture == "mixtral" else architecture


def keys_of(case: Case) -> dict[str, Any]:
    """The metadata, by full key."""
    prefix = prefix_of(case.architecture)
    keys: dict[str, Any] = {"general.architecture": prefix, "tokenizer.ggml.model": "no_vocab"}
    for each in (_SIZES, _FAMILY_KEYS.get(case.architecture, {}), case.keys):
        for key, value in each.items():
            keys[key[1:] if key.startswith(".") else f"{prefix}.{key}"] = value
    return {key: value for key, value in keys.items() if value is not REMOVED}


def tensors_of(case: Case) -> dict[str, Numbers]:
    """The tensors, by name."""
    tensors = dict(_tensors(case.architecture))
    for name, value in case.tensors.items():
        if value is REMOVED:
            del tensors[name]
        else:
            around = 1.0 if name.startswith("rope_f") else 0.0
            is_shape = isinstance(value, tuple)
            tensors[name] = weights(name, *value, around=around) if is_shape else value
    return tensors


def write_case(case: Case, path: Path) -> Path:
    """Writes the file and returns its path."""
    writer = gguf.GGUFWriter(path, prefix_of(case.architecture))
    for key, value in keys_of(case).items():
        if key != "general.architecture":
            add_key(writer, key, value)
    for name, numbers in tensors_of(case).items():
        writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_key(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    """Adds a key with the type that llama.cpp's converter gives such a value."""
    if isinstance(value, list):
        writer.add_array(key, value)
        return
    kinds = {
        bool: gguf.GGUFValueType.BOOL,
        int: gguf.GGUFValueType.UINT32,
        float: gguf.GGUFValueType.FLOAT32,
        str: gguf.GGUFValueType.STRING,
    }
    writer.add_key_value(key, value, kinds[type(value)])


def _tensors(architecture: str) -> Iterator[tuple[str, Numbers]]:
    norm_kinds = ("weight", "bias") if architecture == "gpt2" else ("weight",)
    yield "token_embd.weight", weights("token_embd", VOCABULARY, HIDDEN)
    if architecture == "gpt2":
        yield "position_embd.weight", weights("position_embd", CONTEXT, HIDDEN)
    elif not architecture.startswith("gemma"):
        yield "output.weight", weights("output", VOCABULARY, HIDDEN)
    for kind in norm_kinds:
        yield f"output_norm.{kind}", _norm("output_norm", kind, HIDDEN)
    for layer in range(LAYERS):
        for name, numbers in _layer(architecture):
            yield f"blk.{layer}.{name}", numbers * np.float32(1 + layer / 50)


def _layer(architecture: str) -> Iterator[tuple[str, Numbers]]:
    queries, keys = HEADS * HEAD_SIZE, KV_HEADS * HEAD_SIZE
    norms = {"attn_norm": HIDDEN, "ffn_norm": HIDDEN}
    if architecture in ("qwen3", "qwen3moe", "gemma3"):
        norms |= {"attn_q_norm": HEAD_SIZE, "attn_k_norm": HEAD_SIZE}
    if architecture in ("gemma2", "gemma3"):
        norms |= {"post_attention_norm": HIDDEN, "post_ffw_norm": HIDDEN}
    for name, size in norms.items():
        for kind in ("weight", "bias") if architecture == "gpt2" else ("weight",):
            yield f"{name}.{kind}", _norm(name, kind, size)
    matrices = {"attn_q": (queries, HIDDEN), "attn_k": (keys, HIDDEN), "attn_v": (keys, HIDDEN)}
    if architecture in ("phi3", "gpt2"):
        rows = 3 * HIDDEN if architecture == "gpt2" else queries + 2 * keys
        matrices = {"attn_qkv": (rows, HIDDEN)}
    matrices["attn_output"] = (HIDDEN, queries)
    for name, shape in (matrices | _mlp(architecture)).items():
        yield f"{name}.weight", weights(name, *shape)
        if architecture == "gpt2" or (architecture == "qwen2" and name in ("attn_q", "attn_k")):
            yield f"{name}.bias", weights(f"{name}.bias", shape[0])
    if architecture == "qwen2":
        yield "attn_v.bias", weights("attn_v.bias", keys)


def _mlp(architecture: str) -> dict[str, tuple[int, ...]]:
    if architecture in ("mixtral", "qwen3moe"):
        up, down = (EXPERTS, INNER, HIDDEN), (EXPERTS, HIDDEN, INNER)
        router = {"ffn_gate_inp": (EXPERTS, HIDDEN)}
        return router | {"ffn_gate_exps": up, "ffn_up_exps": up, "ffn_down_exps": down}
    if architecture == "phi3":
        return {"ffn_up": (2 * INNER, HIDDEN), "ffn_down": (HIDDEN, INNER)}
    gate = {} if architecture == "gpt2" else {"ffn_gate": (INNER, HIDDEN)}
    return gate | {"ffn_up": (INNER, HIDDEN), "ffn_down": (HIDDEN, INNER)}


def _norm(name: str, kind: str, size: int) -> Numbers:
    return weights(f"{name}.{kind}", size, size=0.2, around=1.0 if kind == "weight" else 0.0)
