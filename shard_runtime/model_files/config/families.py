# SPDX-License-Identifier: Apache-2.0
"""Model families: the `config.json` fields specific to each, and how its architecture differs.

A family's reader returns the fields of `Architecture` that differ from the common decoder: RMSNorm,
rotary grouped-query attention over all earlier positions, SwiGLU.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from shard_runtime.architecture import Architecture, ExpertRouting
from shard_runtime.errors import ArchitectureUnsupported
from shard_runtime.model_files.config.fields import ConfigFields

Differences = dict[str, Any]

WRAPPERS = {"gemma3": "gemma3_text", "mistral3": "mistral"}
"""Multimodal wrappers and the `model_type` of their text model."""

_LAYER_KINDS = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True)
class Family:
    """One `model_type` and how to read its config."""

    name: str
    """Our name: that of GGUF where GGUF has one."""
    differences: Callable[[ConfigFields, Architecture], Differences]
    """Reads what differs. Raises `ModelFileInvalid`, `ArchitectureUnsupported`."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """transformers' defaults for fields that the config omits."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The family's own field names → the common names."""
    may_have_bias: bool = False
    """Whether `attention_bias` applies."""

    def complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The config under common field names, with defaults filled in."""
        common = {self.renamed.get(key, key): value for key, value in values.items()}
        return {**self.defaults, **common}


def _llama(fields: ConfigFields, plain: Architecture) -> Differences:
    return {"mlp_bias": fields.flag("mlp_bias", default=False)}


def _same_window(fields: ConfigFields, plain: Architecture) -> Differences:
    """The same window for all layers, if any."""
    window = fields.integer("sliding_window", 0, minimum=0)
    return {"windows": (window,) * plain.layer_count}


def _ministral(fields: ConfigFields, plain: Architecture) -> Differences:
    return {"windows": _windows_by_layer_type(fields, plain, lambda layer: True)}


def _qwen2(fields: ConfigFields, plain: Architecture) -> Differences:
    return {"qkv_bias": True, "windows": _qwen_windows(fields, plain)}


def _qwen3(fields: ConfigFields, plain: Architecture) -> Differences:
    return {"qk_norm": True, "windows": _qwen_windows(fields, plain)}


def _qwen3_moe(fields: ConfigFields, plain: Architecture) -> Differences:
    count = fields.integer("num_experts", fields.integer("num_local_experts", 128))
    step = fields.integer("decoder_sparse_step", 1)
    dense = set(fields.integers("mlp_only_layers"))
    layers = (layer for layer in range(plain.layer_count) if (layer + 1) % step == 0)
    experts = ExpertRouting(
        count=count,
        chosen=fields.integer("num_experts_per_tok"),
        intermediate_size=fields.integer("moe_intermediate_size"),
        normalized=fields.flag("norm_topk_prob", default=False),
        layers=tuple(layer for layer in layers if layer not in dense),
    )
    windowed = fields.flag("use_sliding_window", default=False)
    windows = _same_window(fields, plain) if windowed else {}
    return {"qk_norm": True, "experts": experts if experts.layers else None, **windows}


def _mixtral(fields: ConfigFields, plain: Architecture) -> Differences:
    experts = ExpertRouting(
        count=fields.integer("num_local_experts", 8),
        chosen=fields.integer("num_experts_per_tok", 2),
        intermediate_size=plain.intermediate_size,
        normalized=True,
        layers=tuple(range(plain.layer_count)),
    )
    return {"experts": experts, **_same_window(fields, plain)}


def _gemma(fields: ConfigFields, plain: Architecture) -> Differences:
    _require_causal_attention("gemma", fields)
    return {
        "norm": "rms_one",
        # Older configs say gelu for the tanh approximation.
        "activation": "gelu_tanh" if plain.activation == "gelu" else plain.activation,
        "embedding_scale": sqrt(plain.hidden_size),
    }


def _gemma2(fields: ConfigFields, plain: Architecture) -> Differences:
    return {
        **_gemma_2_or_3("gemma2", fields, plain),
        "windows": _windows_by_layer_type(fields, plain, lambda layer: layer % 2 == 0),
        "attention_cap": fields.number("attn_logit_softcapping", 0.0),
    }


def _gemma3(fields: ConfigFields, plain: Architecture) -> Differences:
    if fields.number("attn_logit_softcapping", 0.0):
        raise ArchitectureUnsupported("gemma3", "it caps attention scores")
    pattern = fields.integer("sliding_window_pattern", 6)
    return {
        **_gemma_2_or_3("gemma3", fields, plain),
        "windows": _windows_by_layer_type(fields, plain, lambda layer: (layer + 1) % pattern != 0),
        "qk_norm": True,
    }


def _gemma_2_or_3(name: str, fields: ConfigFields, plain: Architecture) -> Differences:
    _require_causal_attention(name, fields)
    scalar = fields.number("query_pre_attn_scalar")
    return {
        "norm": "rms_one",
        "post_norms": True,
        "embedding_scale": sqrt(plain.hidden_size),
        "attention_scale": 0.0 if scalar in (0, plain.head_size) else 1 / sqrt(scalar),
        "logit_cap": fields.number("final_logit_softcapping", 0.0),
    }


def _gpt2(fields: ConfigFields, plain: Architecture) -> Differences:
    if fields.flag("scale_attn_by_inverse_layer_idx", default=False):
        raise ArchitectureUnsupported("gpt2", "it scales attention by layer")
    if fields.flag("add_cross_attention", default=False):
        raise ArchitectureUnsupported("gpt2", "it attends to an encoder")
    scaled = fields.flag("scale_attn_weights", default=True)
    return {
        "norm": "layer",
        "gated": False,
        "positions": "learned",
        "attention_scale": 0.0 if scaled else 1.0,
        "qkv_bias": True,
        "output_bias": True,
        "mlp_bias": True,
    }


def _qwen_windows(fields: ConfigFields, plain: Architecture) -> tuple[int, ...]:
    if not fields.flag("use_sliding_window", default=False):
        return plain.windows
    first = fields.integer("max_window_layers", plain.layer_count, minimum=0)
    return _windows_by_layer_type(fields, plain, lambda layer: layer >= first)


def _windows_by_layer_type(
    fields: ConfigFields, plain: Architecture, has_window: Callable[[int], bool]
) -> tuple[int, ...]:
    """Windows as `layer_types` lists them, or by the family's rule if the config has no list."""
    if not fields.has("sliding_window"):
        return plain.windows
    window, kinds = fields.integer("sliding_window"), fields.raw("layer_types")
    if isinstance(kinds, list) and len(kinds) == plain.layer_count:
        for kind in kinds:
            if kind not in _LAYER_KINDS:
                raise ArchitectureUnsupported(plain.name, f"it has layers of kind {kind}")
        return tuple(window if kind == "sliding_attention" else 0 for kind in kinds)
    return tuple(window if has_window(layer) else 0 for layer in range(plain.layer_count))


def _require_causal_attention(name: str, fields: ConfigFields) -> None:
    if fields.flag("use_bidirectional_attention", default=False):
        raise ArchitectureUnsupported(name, "its tokens attend to later ones")


_GEMMA_DEFAULTS = {
    "head_dim": 256,
    "hidden_act": "gelu_pytorch_tanh",
    "tie_word_embeddings": True,
    "max_position_embeddings": 8192,
}
_GEMMA_2_OR_3_DEFAULTS = _GEMMA_DEFAULTS | {"sliding_window": 4096, "query_pre_attn_scalar": 256}
_GEMMA3_DEFAULTS = _GEMMA_2_OR_3_DEFAULTS | {
    "vocab_size": 262208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 131072,
    "rope_theta": 1_000_000.0,
}
_GPT2_NAMES = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_positions": "max_position_embeddings",
    "n_inner": "intermediate_size",
    "layer_norm_epsilon": "rms_norm_eps",
    "activation_function": "hidden_act",
}
_GPT2_DEFAULTS = {"hidden_act": "gelu_new", "tie_word_embeddings": True, "rms_norm_eps": 1e-5}
_CAPS = {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
_ACTIVATION = {"hidden_activation": "hidden_act"}

FAMILIES: Mapping[str, Family] = {
    "llama": Family("llama", _llama, may_have_bias=True),
    "mistral": Family("mistral", _same_window),
    "ministral": Family("ministral", _ministral),
    "qwen2": Family("qwen2", _qwen2),
    "qwen3": Family("qwen3", _qwen3, may_have_bias=True),
    "qwen3_moe": Family("qwen3_moe", _qwen3_moe, may_have_bias=True),
    "mixtral": Family("mixtral", _mixtral, {"rope_theta": 1_000_000.0, "rms_norm_eps": 1e-5}),
    "gemma": Family("gemma", _gemma, _GEMMA_DEFAULTS, may_have_bias=True),
    "gemma2": Family(
        "gemma2", _gemma2, _GEMMA_2_OR_3_DEFAULTS | _CAPS, _ACTIVATION, may_have_bias=True
    ),
    "gemma3_text": Family("gemma3", _gemma3, _GEMMA3_DEFAULTS, _ACTIVATION, may_have_bias=True),
    "phi3": Family("phi3", _same_window, {"rms_norm_eps": 1e-5}),
    "gpt2": Family("gpt2", _gpt2, _GPT2_DEFAULTS, _GPT2_NAMES),
}
"""By `model_type`."""
