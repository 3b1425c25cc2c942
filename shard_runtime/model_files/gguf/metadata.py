# SPDX-License-Identifier: Apache-2.0
"""Reads the architecture from a GGUF file's metadata.

GGUF's `llama` covers llama, mistral and mixtral.

Where the metadata leaves a choice open (which layers have a window, how Gemma scales its attention
scores), the choice is llama.cpp's, because GGUF files are made for llama.cpp.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shard_runtime.architecture import Architecture, ExpertRouting, RopeScaling
from shard_runtime.errors import ArchitectureUnsupported
from shard_runtime.model_files.config.fields import ConfigFields
from shard_runtime.model_files.gguf.architecture_keys import complete_metadata
from shard_runtime.model_files.gguf.gemma import read_gemma, read_gemma2, read_gemma3
from shard_runtime.model_files.gguf.gguf_file import GgufFile
from shard_runtime.model_files.gguf.rope import read_scaling
from teetee.protocol.layers import MAX_LAYERS

Differences = dict[str, Any]

_QK_NORM = ("qwen3", "qwen3moe", "gemma3")
_TIED = ("gemma", "gemma2")
"""Architectures for which llama.cpp reads no LM head."""


def read_gguf_metadata(gguf: GgufFile) -> Architecture:
    """Reads and checks the architecture.

    Raises `ModelFileInvalid`, `TensorMissing`, `ConfigFieldUnsupported` naming a key that is
    neither computed nor known to have no effect, and `ArchitectureUnsupported` naming the feature.
    """
    file = str(gguf.path)
    name = ConfigFields(gguf.metadata, file).text("general.architecture")
    fields = ConfigFields(complete_metadata(gguf.metadata, name, file), file, prefix=f"{name}.")
    architecture = _common_fields(name, fields, gguf)
    architecture = replace(architecture, **_FAMILIES[name](fields, architecture))
    architecture.check(file)
    return architecture


def _common_fields(name: str, fields: ConfigFields, gguf: GgufFile) -> Architecture:
    layer_count = fields.integer("block_count", maximum=MAX_LAYERS)
    hidden_size = fields.integer("embedding_length")
    head_count = fields.integer("attention.head_count")
    kv_head_count = fields.integer("attention.head_count_kv", head_count)
    head_size = _head_size(name, fields, max(1, hidden_size // head_count))
    learned = name == "gpt2"
    epsilon = "layer_norm_epsilon" if learned else "layer_norm_rms_epsilon"
    return Architecture(
        name=name,
        layer_count=layer_count,
        hidden_size=hidden_size,
        intermediate_size=fields.integer("feed_forward_length"),
        head_count=head_count,
        kv_head_count=kv_head_count,
        head_size=head_size,
        vocabulary_size=fields.integer(
            "vocab_size", gguf.tensors.find_tensor("token_embd.weight").shape[0]
        ),
        context_length=fields.integer("context_length"),
        norm_epsilon=fields.number(f"attention.{epsilon}"),
        rope_theta=0.0 if learned else fields.number("rope.freq_base"),
        rope_scaling=RopeScaling() if learned else read_scaling(name, fields, gguf),
        qkv_bias=_has_bias(gguf, "attn_q", "attn_qkv"),
        output_bias=_has_bias(gguf, "attn_output"),
        mlp_bias=_has_bias(gguf, "ffn_down"),
        qk_norm=name in _QK_NORM,
        tied_embedding=name in _TIED or "output.weight" not in gguf.tensors,
        windows=(0,) * layer_count,
        rotary_size=0 if learned else _rotary_size(name, fields, head_size),
    )


def _head_size(name: str, fields: ConfigFields, default: int) -> int:
    size = fields.integer("attention.key_length", default)
    for key in ("value_length", "key_length_swa", "value_length_swa"):
        other = fields.integer(f"attention.{key}", size if "swa" in key else default)
        if other != size:
            raise ArchitectureUnsupported(
                name, f"attention.{key} is {other}, but the length of keys is {size}"
            )
    return size


def _rotary_size(name: str, fields: ConfigFields, head_size: int) -> int:
    """The number of dimensions per head that rotate; 0 for all."""
    size = fields.integer("rope.dimension_count", head_size)
    local = fields.integer("rope.dimension_count_swa", size)
    if (name != "phi3" and size != head_size) or local != size:
        raise ArchitectureUnsupported(
            name, f"it rotates {size} (with a window: {local}) of {head_size} dimensions per head"
        )
    return 0 if size == head_size else size


def _has_bias(gguf: GgufFile, *parts: str) -> bool:
    return any(f"blk.0.{part}.bias" in gguf.tensors for part in parts)


def _plain(fields: ConfigFields, plain: Architecture) -> Differences:
    return {}


def _llama(fields: ConfigFields, plain: Architecture) -> Differences:
    if fields.integer("expert_count", minimum=0):
        return {"name": "mixtral", "experts": _experts(fields, plain, plain.intermediate_size)}
    if used := fields.integer("expert_used_count", minimum=0):
        raise fields.invalid("expert_used_count", f"is {used}, but there are no experts")
    return {}


def _qwen3_moe(fields: ConfigFields, plain: Architecture) -> Differences:
    chosen = fields.integer("expert_used_count")
    inner = fields.integer("expert_feed_forward_length", plain.intermediate_size // chosen)
    return {"name": "qwen3_moe", "experts": _experts(fields, plain, inner)}


def _experts(fields: ConfigFields, plain: Architecture, inner: int) -> ExpertRouting:
    """Experts in every layer, with shares normalised to 1, as llama.cpp assumes."""
    return ExpertRouting(
        count=fields.integer("expert_count"),
        chosen=fields.integer("expert_used_count"),
        intermediate_size=inner,
        normalized=True,
        layers=tuple(range(plain.layer_count)),
    )


def _phi3(fields: ConfigFields, plain: Architecture) -> Differences:
    window = fields.integer("attention.sliding_window", minimum=0)
    return {"windows": (window,) * plain.layer_count}


def _gpt2(fields: ConfigFields, plain: Architecture) -> Differences:
    return {"norm": "layer", "activation": "gelu_tanh", "gated": False, "positions": "learned"}


_FAMILIES: dict[str, Callable[[ConfigFields, Architecture], Differences]] = {
    "llama": _llama,
    "qwen2": _plain,
    "qwen3": _plain,
    "qwen3moe": _qwen3_moe,
    "gemma": read_gemma,
    "gemma2": read_gemma2,
    "gemma3": read_gemma3,
    "phi3": _phi3,
    "gpt2": _gpt2,
}
"""By `general.architecture`."""
