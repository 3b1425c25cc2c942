# SPDX-License-Identifier: Apache-2.0
"""Model families: how the architecture of each differs. family_fields.py lists their fields.

A family's reader returns the fields of `Architecture` that differ from the common decoder: RMSNorm,
rotary grouped-query attention over all earlier positions, SwiGLU.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from shard_runtime.architecture import Architecture, ExpertRouting
from shard_runtime.errors import ArchitectureUnsupported, ModelFileInvalid
from shard_runtime.model_files.config.family_fields import FAMILY_FIELDS
from shard_runtime.model_files.config.field_table import complete_fields
from shard_runtime.model_files.config.fields import ConfigFields

Differences = dict[str, Any]

_LAYER_KINDS = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True)
class Family:
    """One `model_type` and how to read its config."""

    name: str
    """Our name: that of GGUF where GGUF has one."""
    differences: Callable[[ConfigFields, Architecture], Differences]
    """Reads what differs. Raises `ModelFileInvalid`, `ArchitectureUnsupported`."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The family's own field names → the common names."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names that transformers accepts → the names in the table of fields."""

    def complete(self, values: Mapping[str, Any], model_type: str, file: str) -> dict[str, Any]:
        """The computed fields under common names, the absent ones with their defaults.

        Raises `ConfigFieldUnsupported` for a field that may change the result in an unknown way,
        and `ModelFileInvalid` for a value of another type.
        """
        own: dict[str, Any] = {}
        for name, value in values.items():
            known = self.aliases.get(name, name)
            if known in own:
                other = next(key for key in values if self.aliases.get(key, key) == known)
                raise ModelFileInvalid(file, f"{name} and {other} are names of the same field")
            own[known] = value
        complete = complete_fields(FAMILY_FIELDS[model_type], own, model_type, file)
        return {self.renamed.get(name, name): value for name, value in complete.items()}


def _llama(fields: ConfigFields, plain: Architecture) -> Differences:
    _require_whole_heads(fields, plain)
    return {"mlp_bias": fields.flag("mlp_bias", default=False)}


def _same_window(fields: ConfigFields, plain: Architecture) -> Differences:
    """The same window for all layers, if any."""
    if fields.raw("sliding_window") is None:
        return {}
    return {"windows": (fields.integer("sliding_window"),) * plain.layer_count}


def _ministral(fields: ConfigFields, plain: Architecture) -> Differences:
    if not fields.has("head_dim"):  # no default in its class, unlike Mistral's
        raise fields.invalid("head_dim", "is missing")
    return {"windows": _windows_by_layer_type(fields, plain, lambda layer: True)}


def _qwen2(fields: ConfigFields, plain: Architecture) -> Differences:
    return {"qkv_bias": True, "windows": _qwen_windows(fields, plain)}


def _qwen3(fields: ConfigFields, plain: Architecture) -> Differences:
    return {"qk_norm": True, "windows": _qwen_windows(fields, plain)}


def _qwen3_moe(fields: ConfigFields, plain: Architecture) -> Differences:
    step = fields.integer("decoder_sparse_step")
    dense = set(fields.integers("mlp_only_layers"))
    layers = (layer for layer in range(plain.layer_count) if (layer + 1) % step == 0)
    experts = ExpertRouting(
        count=fields.integer("num_experts"),
        chosen=fields.integer("num_experts_per_tok"),
        intermediate_size=fields.integer("moe_intermediate_size"),
        normalized=fields.flag("norm_topk_prob", default=False),
        layers=tuple(layer for layer in layers if layer not in dense),
    )
    windowed = fields.flag("use_sliding_window", default=False)
    windows = _same_window(fields, plain) if windowed else {}
    return {"qk_norm": True, "experts": experts if experts.layers else None, **windows}


def _mixtral(fields: ConfigFields, plain: Architecture) -> Differences:
    if plain.rope_scaling.kind in ("yarn", "longrope") and not fields.has("head_dim"):
        raise fields.invalid("head_dim", f"is missing, which {plain.rope_scaling.kind} needs")
    experts = ExpertRouting(
        count=fields.integer("num_local_experts"),
        chosen=fields.integer("num_experts_per_tok"),
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
        "attention_cap": _cap(fields, "attn_logit_softcapping"),
    }


def _gemma3(fields: ConfigFields, plain: Architecture) -> Differences:
    if fields.has("attn_logit_softcapping"):
        raise ArchitectureUnsupported("gemma3", "it caps attention scores")
    pattern = fields.integer("sliding_window_pattern")
    if not fields.has("layer_types") and fields.raw("_sliding_window_pattern") not in (
        None,
        pattern,
    ):
        raise fields.invalid("_sliding_window_pattern", f"is not the pattern, which is {pattern}")
    return {
        **_gemma_2_or_3("gemma3", fields, plain),
        "windows": _windows_by_layer_type(fields, plain, lambda layer: (layer + 1) % pattern != 0),
        "qk_norm": True,
    }


def _gemma_2_or_3(name: str, fields: ConfigFields, plain: Architecture) -> Differences:
    _require_causal_attention(name, fields)
    _require_whole_heads(fields, plain)
    scalar = fields.integer("query_pre_attn_scalar")
    return {
        "norm": "rms_one",
        "post_norms": True,
        "embedding_scale": sqrt(plain.hidden_size),
        "attention_scale": 0.0 if scalar == plain.head_size else 1 / sqrt(scalar),
        "logit_cap": _cap(fields, "final_logit_softcapping"),
    }


def _cap(fields: ConfigFields, field: str) -> float:
    return fields.positive(field) if fields.has(field) else 0.0


def _gpt2(fields: ConfigFields, plain: Architecture) -> Differences:
    _require_whole_heads(fields, plain)
    if fields.raw("n_ctx") not in (None, plain.context_length):
        raise fields.invalid("n_ctx", f"is not the context length, which is {plain.context_length}")
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
    if fields.flag("use_sliding_window", default=False) and fields.has("sliding_window"):
        first = fields.integer("max_window_layers", minimum=0)
        return _windows_by_layer_type(fields, plain, lambda layer: layer >= first)
    kinds = _layer_kinds(fields, plain) or ()
    if "sliding_attention" in kinds:
        raise fields.invalid(
            "layer_types", "has windows, but use_sliding_window or size is not set"
        )
    return plain.windows


def _windows_by_layer_type(
    fields: ConfigFields, plain: Architecture, has_window: Callable[[int], bool]
) -> tuple[int, ...]:
    """Windows as `layer_types` lists them, or by the family's rule if the config has no list."""
    window, kinds = fields.integer("sliding_window"), _layer_kinds(fields, plain)
    if kinds is None:
        return tuple(window if has_window(layer) else 0 for layer in range(plain.layer_count))
    return tuple(window if kind == "sliding_attention" else 0 for kind in kinds)


def _layer_kinds(fields: ConfigFields, plain: Architecture) -> list[str] | None:
    """The checked `layer_types`; None if the config has none."""
    kinds = fields.raw("layer_types")
    if kinds is None:
        return None
    for kind in kinds:
        if kind not in _LAYER_KINDS:
            raise ArchitectureUnsupported(plain.name, f"it has layers of kind {kind}")
    if len(kinds) != plain.layer_count:
        raise fields.invalid(
            "layer_types", f"has {len(kinds)} entries for {plain.layer_count} layers"
        )
    return list(kinds)


def _require_causal_attention(name: str, fields: ConfigFields) -> None:
    if fields.flag("use_bidirectional_attention", default=False):
        raise ArchitectureUnsupported(name, "its tokens attend to later ones")


def _require_whole_heads(fields: ConfigFields, plain: Architecture) -> None:
    if plain.hidden_size % plain.head_count:
        raise fields.invalid(
            "num_attention_heads",
            f"is {plain.head_count}, which does not divide the hidden size {plain.hidden_size}",
        )


_GPT2_NAMES = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_positions": "max_position_embeddings",
    "n_inner": "intermediate_size",
    "layer_norm_epsilon": "rms_norm_eps",
    "activation_function": "hidden_act",
}
_GPT2_ALIASES = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position_embeddings": "n_positions",
}
_ACTIVATION = {"hidden_activation": "hidden_act"}

FAMILIES: Mapping[str, Family] = {
    "llama": Family("llama", _llama),
    "mistral": Family("mistral", _same_window),
    "ministral": Family("ministral", _ministral),
    "qwen2": Family("qwen2", _qwen2),
    "qwen3": Family("qwen3", _qwen3),
    "qwen3_moe": Family("qwen3_moe", _qwen3_moe, aliases={"num_local_experts": "num_experts"}),
    "mixtral": Family("mixtral", _mixtral, aliases={"num_experts": "num_local_experts"}),
    "gemma": Family("gemma", _gemma),
    "gemma2": Family("gemma2", _gemma2, _ACTIVATION),
    "gemma3_text": Family("gemma3", _gemma3, _ACTIVATION),
    "phi3": Family("phi3", _same_window),
    "gpt2": Family("gpt2", _gpt2, _GPT2_NAMES, _GPT2_ALIASES),
}
"""By `model_type`."""
