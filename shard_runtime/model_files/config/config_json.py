# SPDX-License-Identifier: Apache-2.0
"""Reads the architecture from a Hugging Face `config.json`, as written by transformers 4 and 5.

This module reads the fields that all families share; families.py reads those of a single family.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from shard_runtime.architecture import Architecture
from shard_runtime.errors import ArchitectureUnsupported, ModelFileInvalid
from shard_runtime.model_files.config.families import FAMILIES, Family
from shard_runtime.model_files.config.fields import ConfigFields
from shard_runtime.model_files.config.model_config import read_model_config
from shard_runtime.model_files.config.rope import read_rope
from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.layers import MAX_LAYERS

_ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}


def read_config_json(path: Path) -> Architecture:
    """Reads and checks the architecture.

    Raises `ModelFileInvalid`; `ArchitectureUnsupported`, `ConfigFieldUnsupported` and
    `QuantizationUnsupported`, which name what is not supported.
    """
    file = str(path)
    model_type, values = read_model_config(path)
    family = FAMILIES.get(model_type)
    if family is None:
        raise ArchitectureUnsupported(model_type, "the family is unknown")
    fields = ConfigFields(family.complete(values, model_type, file), file)
    architecture = _common_fields(family, fields, file)
    _check_padding(fields, architecture)
    architecture = replace(architecture, **family.differences(fields, architecture))
    architecture.check(file)
    return architecture


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a JSON file that must hold an object. Raises `ModelFileInvalid`."""
    try:
        value = shallow_json.load(path.read_bytes())
    except OSError as error:
        raise ModelFileInvalid(str(path), f"it cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ModelFileInvalid(str(path), f"it {error}") from None
    if not isinstance(value, dict):
        raise ModelFileInvalid(str(path), "it is not an object")
    return value


def _common_fields(family: Family, fields: ConfigFields, file: str) -> Architecture:
    hidden_size, head_count = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    layer_count = fields.integer("num_hidden_layers", maximum=MAX_LAYERS)
    head_size = fields.integer("head_dim", max(1, hidden_size // head_count))
    rope = read_rope(family.name, fields, head_size, file)
    biased = fields.flag("attention_bias", default=False)
    return Architecture(
        name=family.name,
        layer_count=layer_count,
        hidden_size=hidden_size,
        intermediate_size=fields.integer(
            "intermediate_size", 4 * hidden_size if family.name == "gpt2" else None
        ),
        head_count=head_count,
        kv_head_count=fields.integer("num_key_value_heads", head_count),
        head_size=head_size,
        vocabulary_size=fields.integer("vocab_size"),
        context_length=fields.integer("max_position_embeddings"),
        norm_epsilon=fields.number("rms_norm_eps"),
        rope_theta=rope.theta,
        rope_scaling=rope.scaling,
        qkv_bias=biased,
        output_bias=biased,
        mlp_bias=False,
        qk_norm=False,
        tied_embedding=fields.flag("tie_word_embeddings", default=False),
        windows=(0,) * layer_count,
        activation=_activation(family.name, fields),
        rotary_size=rope.rotary_size,
        local_rope_theta=rope.local_theta,
    )


def _activation(family: str, fields: ConfigFields) -> str:
    name = fields.text("hidden_act")
    if name not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise ArchitectureUnsupported(family, f"the activation is {name}, not one of {known}")
    return _ACTIVATIONS[name]


def _check_padding(fields: ConfigFields, architecture: Architecture) -> None:
    """Padding has no effect here, but outside the vocabulary it shows that files do not match."""
    padding, size = fields.raw("pad_token_id"), architecture.vocabulary_size
    if padding is not None and not -size <= padding < size:
        raise fields.invalid("pad_token_id", f"is {padding}, outside the vocabulary of {size}")
