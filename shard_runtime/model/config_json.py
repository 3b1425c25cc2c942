"""The architecture out of a Hugging Face `config.json`, as transformers 4 and 5 write it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shard_runtime.errors import ArchitectureUnsupported, ModelFileInvalid
from shard_runtime.model.architecture import Architecture, RopeScaling
from shard_runtime.model.config_fields import ConfigFields
from teetee.layers import MAX_LAYERS

_SUPPORTED = ("llama", "mistral", "qwen2", "qwen3")


def read_config_json(path: Path) -> Architecture:
    """Raises `ModelFileInvalid`, and `ArchitectureUnsupported` naming what we cannot compute."""
    values = read_json_object(path)
    fields = ConfigFields(values, str(path))
    name = fields.text("model_type")
    if name not in _SUPPORTED:
        raise ArchitectureUnsupported(name, "it is not Llama-shaped, or not known to be")
    activation = fields.text("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise ArchitectureUnsupported(name, f"its activation is {activation}, and silu is known")
    hidden_size, head_count = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    layer_count = fields.integer("num_hidden_layers", maximum=MAX_LAYERS)
    all_bias = name in ("llama", "qwen3") and fields.flag("attention_bias", default=False)
    theta, scaling = _rope(name, fields, str(path))
    architecture = Architecture(
        name=name,
        layer_count=layer_count,
        hidden_size=hidden_size,
        intermediate_size=fields.integer("intermediate_size"),
        head_count=head_count,
        kv_head_count=fields.integer("num_key_value_heads", head_count),
        head_size=fields.integer("head_dim", hidden_size // head_count),
        vocabulary_size=fields.integer("vocab_size"),
        context_length=fields.integer("max_position_embeddings"),
        norm_epsilon=fields.number("rms_norm_eps", 1e-6),
        rope_theta=theta,
        rope_scaling=scaling,
        qkv_bias=all_bias or name == "qwen2",
        output_bias=all_bias,
        mlp_bias=name == "llama" and fields.flag("mlp_bias", default=False),
        qk_norm=name == "qwen3",
        tied_embedding=fields.flag("tie_word_embeddings", default=False),
        windows=_windows(name, fields, layer_count),
    )
    architecture.check(str(path))
    return architecture


def read_json_object(path: Path) -> dict[str, Any]:
    """Raises `ModelFileInvalid`."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileInvalid(str(path), f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ModelFileInvalid(str(path), "it is not JSON") from None
    if not isinstance(value, dict):
        raise ModelFileInvalid(str(path), "it is not an object")
    return value


def _windows(name: str, fields: ConfigFields, layer_count: int) -> tuple[int, ...]:
    everywhere = (0,) * layer_count
    if name == "llama" or not fields.has("sliding_window"):
        return everywhere
    window = fields.integer("sliding_window")
    if name == "mistral":
        return (window,) * layer_count
    if not fields.flag("use_sliding_window", default=False):
        return everywhere
    kinds = fields.raw("layer_types")
    if isinstance(kinds, list) and len(kinds) == layer_count:
        return tuple(window if kind == "sliding_attention" else 0 for kind in kinds)
    first = fields.integer("max_window_layers", layer_count, minimum=0)
    return tuple(window if layer >= first else 0 for layer in range(layer_count))


def _rope(name: str, fields: ConfigFields, file: str) -> tuple[float, RopeScaling]:
    """transformers 5 has `rope_parameters` with theta inside, 4 had `rope_theta` and
    `rope_scaling`.
    """
    parameters = fields.raw("rope_parameters") or fields.raw("rope_scaling") or {}
    if not isinstance(parameters, Mapping):
        raise ModelFileInvalid(file, "its rotary parameters must be an object")
    rope = ConfigFields(parameters, file)
    theta = rope.number("rope_theta", fields.number("rope_theta", 10000.0))
    for source in (rope, fields):
        if source.number("partial_rotary_factor", 1.0) != 1.0:
            raise ArchitectureUnsupported(name, "it rotates only a part of each head")
    kind = rope.text("rope_type", rope.text("type", "default"))
    return theta, _scaling(name, kind, rope, fields)


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
    if kind == "yarn" and not (rope.has("mscale") or rope.has("mscale_all_dim")):
        original = fields.integer("max_position_embeddings")
        factor = rope.number("factor")
        return RopeScaling(
            kind,
            factor=factor,
            original_context_length=rope.integer("original_max_position_embeddings", original),
            beta_fast=rope.number("beta_fast", 32.0),
            beta_slow=rope.number("beta_slow", 1.0),
            attention_factor=rope.number("attention_factor", yarn_attention_factor(factor)),
            truncate=rope.flag("truncate", default=True),
        )
    raise ArchitectureUnsupported(name, f"its rotary scaling is {kind}")


def yarn_attention_factor(factor: float) -> float:
    """What queries and keys are multiplied with when contexts are stretched (YaRN, arXiv
    2309.00071, equation 22).
    """
    return 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0
