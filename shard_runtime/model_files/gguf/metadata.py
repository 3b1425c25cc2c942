# SPDX-License-Identifier: Apache-2.0
"""Reads the architecture from a GGUF file's metadata.

GGUF's `llama` covers llama, mistral and mixtral.

Where the metadata leaves a choice open (which layers have a window, how Gemma scales its attention
scores), the choice is llama.cpp's, because GGUF files are made for llama.cpp.
"""

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from typing import Any

from shard_runtime.architecture import Architecture, ExpertRouting, RopeScaling
from shard_runtime.errors import ArchitectureUnsupported
from shard_runtime.model_files.config.fields import ConfigFields
from shard_runtime.model_files.gguf.gguf_file import GgufFile
from shard_runtime.model_files.gguf.rope import read_scaling
from teetee.protocol.layers import MAX_LAYERS

Differences = dict[str, Any]

_GEMMA2_WINDOW = 4096
_GEMMA2_27B_LAYERS, _GEMMA3_27B_LAYERS = 46, 62
"""Model sizes that scale attention scores by hidden size / heads instead of by the head size."""


def read_gguf_metadata(gguf: GgufFile) -> Architecture:
    """Reads and checks the architecture.

    Raises `ModelFileInvalid`, and `ArchitectureUnsupported` naming the unsupported feature.
    """
    file = str(gguf.path)
    name = ConfigFields(gguf.metadata, file).text("general.architecture")
    if name not in _FAMILIES:
        raise ArchitectureUnsupported(name, "the family is unknown")
    fields = ConfigFields(gguf.metadata, file, prefix=f"{name}.")
    architecture = _common_fields(name, fields, gguf)
    architecture = replace(architecture, **_FAMILIES[name](fields, architecture))
    architecture.check(file)
    return architecture


def _common_fields(name: str, fields: ConfigFields, gguf: GgufFile) -> Architecture:
    hidden_size = fields.integer("embedding_length")
    head_count = fields.integer("attention.head_count")
    head_size = _head_size(name, fields, max(1, hidden_size // head_count))
    rotary_size = fields.integer("rope.dimension_count", head_size)
    if rotary_size != head_size and name != "phi3":
        raise ArchitectureUnsupported(name, "it rotates only part of each head")
    layer_count = fields.integer("block_count", maximum=MAX_LAYERS)
    epsilon = "layer_norm_epsilon" if name == "gpt2" else "layer_norm_rms_epsilon"
    learned = name == "gpt2"
    return Architecture(
        name=name,
        layer_count=layer_count,
        hidden_size=hidden_size,
        intermediate_size=fields.integer("feed_forward_length"),
        head_count=head_count,
        kv_head_count=fields.integer("attention.head_count_kv", head_count),
        head_size=head_size,
        vocabulary_size=fields.integer(
            "vocab_size", gguf.tensors.find_tensor("token_embd.weight").shape[0]
        ),
        context_length=fields.integer("context_length"),
        norm_epsilon=fields.number(f"attention.{epsilon}"),
        rope_theta=0.0 if learned else fields.number("rope.freq_base", 10000.0),
        rope_scaling=RopeScaling() if learned else read_scaling(name, fields, gguf),
        qkv_bias=_has_bias(gguf, "attn_q", "attn_qkv"),
        output_bias=_has_bias(gguf, "attn_output"),
        mlp_bias=_has_bias(gguf, "ffn_down"),
        qk_norm="blk.0.attn_q_norm.weight" in gguf.tensors,
        tied_embedding="output.weight" not in gguf.tensors,
        windows=(fields.integer("attention.sliding_window", 0, minimum=0),) * layer_count,
        rotary_size=0 if rotary_size == head_size else rotary_size,
    )


def _head_size(name: str, fields: ConfigFields, default: int) -> int:
    size = fields.integer("attention.key_length", default)
    if fields.integer("attention.value_length", size) != size:
        raise ArchitectureUnsupported(name, "keys and values differ in size")
    return size


def _has_bias(gguf: GgufFile, *parts: str) -> bool:
    return any(f"blk.0.{part}.bias" in gguf.tensors for part in parts)


def _plain(fields: ConfigFields, plain: Architecture) -> Differences:
    return {}


def _llama(fields: ConfigFields, plain: Architecture) -> Differences:
    if not fields.integer("expert_count", 0, minimum=0):
        return {}
    return {"name": "mixtral", "experts": _experts(fields, plain, plain.intermediate_size)}


def _qwen3_moe(fields: ConfigFields, plain: Architecture) -> Differences:
    inner = fields.integer("expert_feed_forward_length")
    return {"name": "qwen3_moe", "experts": _experts(fields, plain, inner)}


def _experts(fields: ConfigFields, plain: Architecture, inner: int) -> ExpertRouting:
    """Experts in every layer, with shares normalised to 1, as llama.cpp assumes."""
    return ExpertRouting(
        count=fields.integer("expert_count"),
        chosen=fields.integer("expert_used_count"),
        intermediate_size=inner,
        normalized=fields.flag("expert_weights_norm", default=True),
        layers=tuple(range(plain.layer_count)),
    )


def _gemma(fields: ConfigFields, plain: Architecture) -> Differences:
    return {
        "norm": "rms_one",
        "activation": "gelu_tanh",
        "embedding_scale": sqrt(plain.hidden_size),
    }


def _gemma2(fields: ConfigFields, plain: Architecture) -> Differences:
    window = fields.integer("attention.sliding_window", _GEMMA2_WINDOW)
    return {
        **_gemma_2_or_3(fields, plain, _GEMMA2_27B_LAYERS),
        "attention_cap": fields.number("attn_logit_softcapping", 50.0),
        "logit_cap": fields.number("final_logit_softcapping", 30.0),
        "windows": _windows_except_every(fields, plain, window, 2),
    }


def _gemma3(fields: ConfigFields, plain: Architecture) -> Differences:
    window = fields.integer("attention.sliding_window", 0, minimum=0)
    return {
        **_gemma_2_or_3(fields, plain, _GEMMA3_27B_LAYERS),
        "logit_cap": fields.number("final_logit_softcapping", 0.0),
        "windows": _windows_except_every(fields, plain, window, 6),
        "local_rope_theta": fields.number("rope.freq_base_swa", 10000.0),
    }


def _gemma_2_or_3(
    fields: ConfigFields, plain: Architecture, hidden_scaled_layers: int
) -> Differences:
    size = plain.head_size
    if plain.layer_count == hidden_scaled_layers:
        size = plain.hidden_size // plain.head_count
    scale = fields.number("attention.scale", 0.0)
    if not scale and size != plain.head_size:
        scale = 1 / sqrt(size)
    return {**_gemma(fields, plain), "post_norms": True, "attention_scale": scale}


def _windows_except_every(
    fields: ConfigFields, plain: Architecture, window: int, pattern: int
) -> tuple[int, ...]:
    """A window for all layers except every `pattern`-th."""
    pattern = fields.integer("attention.sliding_window_pattern", pattern)
    layers = range(plain.layer_count)
    return tuple(window if (layer + 1) % pattern else 0 for layer in layers)


def _gpt2(fields: ConfigFields, plain: Architecture) -> Differences:
    return {"norm": "layer", "activation": "gelu_tanh", "gated": False, "positions": "learned"}


_FAMILIES: dict[str, Callable[[ConfigFields, Architecture], Differences]] = {
    "llama": _llama,
    "qwen2": _plain,
    "qwen3": _plain,
    "qwen3moe": _qwen3_moe,
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "phi3": _plain,
    "gpt2": _gpt2,
}
"""By `general.architecture`."""
