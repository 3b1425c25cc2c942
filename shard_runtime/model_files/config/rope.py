# SPDX-License-Identifier: Apache-2.0
"""Reads the rotary position embedding (RoPE) settings of a `config.json`.

transformers 5 writes `rope_parameters` with theta inside (for Gemma 3, one such object per layer
type); transformers 4 wrote `rope_theta` and `rope_scaling`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shard_runtime.architecture import RopeScaling
from shard_runtime.errors import ArchitectureUnsupported, ModelFileInvalid
from shard_runtime.model_files.config.fields import ConfigFields

_PARTIAL_ROTARY_FAMILIES = ("phi3",)


@dataclass(frozen=True, slots=True)
class RopeSettings:
    """The RoPE fields of `Architecture`."""

    theta: float
    scaling: RopeScaling
    rotary_size: int
    local_theta: float


def read_rope(name: str, fields: ConfigFields, head_size: int, file: str) -> RopeSettings:
    """Reads the settings of family `name`. Raises `ModelFileInvalid`, `ArchitectureUnsupported`."""
    if name == "gpt2":
        return RopeSettings(0.0, RopeScaling(), 0, 0.0)
    parameters = fields.raw("rope_parameters") or fields.raw("rope_scaling") or {}
    if not isinstance(parameters, Mapping):
        raise ModelFileInvalid(file, "the RoPE parameters must be an object")
    local_theta = _local_theta(name, fields, parameters, file)
    parameters = parameters.get("full_attention", parameters)
    if not isinstance(parameters, Mapping):
        raise ModelFileInvalid(file, "the RoPE parameters must be an object")
    rope = ConfigFields(parameters, file)
    theta = rope.number("rope_theta", fields.number("rope_theta", 10000.0))
    share = rope.number("partial_rotary_factor", fields.number("partial_rotary_factor", 1.0))
    if share != 1.0 and name not in _PARTIAL_ROTARY_FAMILIES:
        raise ArchitectureUnsupported(name, "it rotates only part of each head")
    kind = rope.text("rope_type", rope.text("type", "default"))
    if name == "phi3" and kind in ("su", "yarn"):  # early names of longrope
        kind = "longrope"
    size = int(head_size * share)
    scaling = _scaling(name, kind, rope, fields)
    return RopeSettings(theta, scaling, 0 if size == head_size else size, local_theta)


def longrope_attention_factor(factor: float, original: int) -> float:
    """The factor applied to queries and keys (LongRoPE, arXiv 2402.13753)."""
    return math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0


def yarn_attention_factor(factor: float) -> float:
    """The factor applied to queries and keys (YaRN, arXiv 2309.00071, equation 22)."""
    return 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0


def _local_theta(
    name: str, fields: ConfigFields, parameters: Mapping[str, Any], file: str
) -> float:
    if name != "gemma3":
        return 0.0
    own = parameters.get("sliding_attention") or {}
    if not isinstance(own, Mapping):
        raise ModelFileInvalid(file, "the RoPE parameters must be an object")
    local = ConfigFields(own, file)
    if local.text("rope_type", "default") != "default":
        raise ArchitectureUnsupported(name, "layers with a window use RoPE scaling")
    return local.number("rope_theta", fields.number("rope_local_base_freq", 10000.0))


def _scaling(name: str, kind: str, rope: ConfigFields, fields: ConfigFields) -> RopeScaling:
    if kind == "default":
        return RopeScaling()
    if kind == "linear":
        return RopeScaling(kind, factor=rope.number("factor"))
    if kind == "llama3":
        return RopeScaling(
            kind,
            factor=rope.number("factor"),
            original_context_length=rope.integer("original_max_position_embeddings"),
            low_frequency_factor=rope.number("low_freq_factor"),
            high_frequency_factor=rope.number("high_freq_factor"),
        )
    if kind == "longrope":
        return _longrope(rope, fields)
    if kind == "yarn" and not (rope.has("mscale") or rope.has("mscale_all_dim")):
        return _yarn(rope, fields)
    raise ArchitectureUnsupported(name, f"the RoPE scaling is {kind}")


def _longrope(rope: ConfigFields, fields: ConfigFields) -> RopeScaling:
    original = rope.integer(
        "original_max_position_embeddings",
        fields.integer("original_max_position_embeddings", 0, minimum=0) or None,
        minimum=2,
    )
    factor = rope.number("factor", fields.integer("max_position_embeddings") / original)
    attention_factor = rope.number("attention_factor", longrope_attention_factor(factor, original))
    return RopeScaling(
        "longrope",
        factor=max(1.0, factor),
        original_context_length=original,
        attention_factor=attention_factor,
        factors=rope.numbers("short_factor"),
        long_factors=rope.numbers("long_factor"),
    )


def _yarn(rope: ConfigFields, fields: ConfigFields) -> RopeScaling:
    original = fields.integer("max_position_embeddings")
    factor = rope.number("factor")
    return RopeScaling(
        "yarn",
        factor=factor,
        original_context_length=rope.integer("original_max_position_embeddings", original),
        beta_fast=rope.number("beta_fast", 32.0),
        beta_slow=rope.number("beta_slow", 1.0),
        attention_factor=rope.number("attention_factor", yarn_attention_factor(factor)),
        truncate=rope.flag("truncate", default=True),
    )
