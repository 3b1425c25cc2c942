# SPDX-License-Identifier: Apache-2.0
"""Reads a `config.json` up to its text model: strict JSON, quantization, multimodal wrappers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shard_runtime.errors import (
    ArchitectureUnsupported,
    ConfigFieldUnsupported,
    ModelFileInvalid,
    QuantizationUnsupported,
)
from shard_runtime.model_files.config.families import FAMILIES
from shard_runtime.model_files.config.family_fields import WRAPPER_FIELDS
from shard_runtime.model_files.config.field_table import complete_fields, require_type, show_value
from teetee.protocol.json.distinct import load_object

_QUANTIZATION_FIELDS = ("quantization_config", "compression_config", "quantization")


@dataclass(frozen=True, slots=True)
class _Wrapper:
    """A multimodal model around a text model."""

    text_type: str
    """The `model_type` of its text model."""
    default_text: Mapping[str, Any]
    """What an absent `text_config` stands for."""


_WRAPPERS = {
    "gemma3": _Wrapper("gemma3_text", {}),
    "mistral3": _Wrapper(
        "mistral",
        {
            "head_dim": 128,
            "hidden_size": 5120,
            "intermediate_size": 32768,
            "num_hidden_layers": 40,
            "rms_norm_eps": 1e-05,
            "rope_theta": 1_000_000_000.0,
            "sliding_window": None,
            "vocab_size": 131072,
        },
    ),
}


def read_model_config(path: Path) -> tuple[str, dict[str, Any]]:
    """The text model's `model_type` and its fields.

    Raises `ModelFileInvalid`, `ArchitectureUnsupported`, `ConfigFieldUnsupported`,
    `QuantizationUnsupported`.
    """
    file = str(path)
    values = _read_object(path)
    _refuse_quantization(values, file)
    model_type = _model_type(values, file)
    if model_type in _WRAPPERS:
        return _text_model(model_type, values, file)
    if model_type == "mistral" and "layer_types" in values:  # as transformers reads it
        return "ministral", values
    return model_type, values


def is_wrapped(path: Path) -> bool:
    """Whether the config is of a multimodal model, whose files hold other tensors too."""
    return _read_object(path).get("model_type") in _WRAPPERS


def _model_type(values: Mapping[str, Any], file: str) -> str:
    model_type = values.get("model_type")
    if not isinstance(model_type, str):
        raise ModelFileInvalid(file, f"model_type must be a string, not {show_value(model_type)}")
    return model_type


def _text_model(model_type: str, values: dict[str, Any], file: str) -> tuple[str, dict[str, Any]]:
    """The text model of a wrapper, whose `tie_word_embeddings` applies instead of its own."""
    wrapper = _WRAPPERS[model_type]
    text = values.get("text_config", {})
    if isinstance(text, dict):
        inner = _model_type({"model_type": wrapper.text_type} | text, file)
        if inner != wrapper.text_type:
            rule = "the family is unknown" if inner not in FAMILIES else f"{model_type} has another"
            raise ArchitectureUnsupported(inner, rule)
    outer = complete_fields(WRAPPER_FIELDS[model_type], values, model_type, file)
    text = wrapper.default_text if outer["text_config"] is None else outer["text_config"]
    _refuse_quantization(text, file)
    tied_inside = text.get("tie_word_embeddings", False)
    require_type((bool,), "text_config.tie_word_embeddings", tied_inside, file)
    if model_type == "mistral3" and "layer_types" in text:
        value = show_value(text["layer_types"])
        raise ConfigFieldUnsupported(file, model_type, "text_config.layer_types", value)
    return wrapper.text_type, {**text, "tie_word_embeddings": bool(outer["tie_word_embeddings"])}


def _refuse_quantization(values: Mapping[str, Any], file: str) -> None:
    for name in _QUANTIZATION_FIELDS:
        if values.get(name) is not None:
            raise QuantizationUnsupported(file, f"{name} is {show_value(values[name])}")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        return load_object(path.read_bytes())
    except OSError as error:
        raise ModelFileInvalid(str(path), f"it cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ModelFileInvalid(str(path), f"it {error}") from None
