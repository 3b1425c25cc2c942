# SPDX-License-Identifier: Apache-2.0
"""Reads the rotary position embedding (RoPE) settings of a `config.json`.

transformers 5 writes `rope_parameters` with theta inside (for Gemma 3, one such object per layer
type); transformers 4 wrote `rope_theta` and `rope_scaling`. Where a file has both, `rope_scaling`
takes precedence, as in transformers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shard_runtime.architecture import RopeScaling
from shard_runtime.errors import ArchitectureUnsupported, ConfigFieldUnsupported, ModelFileInvalid
from shard_runtime.model_files.config.field_table import show_value
from shard_runtime.model_files.config.fields import ConfigFields
from shard_runtime.model_files.config.rope_scaling import (
    RopeContext,
    check_parameters,
    read_scaling,
)

_PARTIAL_ROTARY_FAMILIES = ("phi3",)
_LAYER_KINDS = ("full_attention", "sliding_attention")


@dataclass(frozen=True, slots=True)
class RopeSettings:
    """The RoPE fields of `Architecture`."""

    theta: float
    scaling: RopeScaling
    rotary_size: int
    local_theta: float


def read_rope(name: str, fields: ConfigFields, head_size: int, file: str) -> RopeSettings:
    """Reads the settings of family `name`.

    Raises `ModelFileInvalid`, `ArchitectureUnsupported`, `ConfigFieldUnsupported`.
    """
    if name == "gpt2":
        return RopeSettings(0.0, RopeScaling(), 0, 0.0)
    local_theta = 0.0
    if name == "gemma3":
        parent, parameters, local = _parameters_by_layer_kind(fields, file)
        local_theta = _local_theta(local, fields, file)
    else:
        parent, parameters = _parameters(fields)
    kind = _kind(name, parameters, parent, file)
    context = RopeContext(
        name,
        file,
        parent,
        fields.integer("max_position_embeddings"),
        None if name == "gemma3" else fields.raw("original_max_position_embeddings"),
    )
    check_parameters(parameters, kind, context)
    rope = ConfigFields(parameters, file, parent=f"{parent}.")
    if name == "gemma3" and not rope.flag("truncate", default=True):
        raise ArchitectureUnsupported(name, "its layers of full attention do not truncate YaRN")
    theta = rope.number("rope_theta", fields.number("rope_theta"))
    share = rope.number("partial_rotary_factor", fields.number("partial_rotary_factor", 1.0))
    if share != 1.0 and name not in _PARTIAL_ROTARY_FAMILIES:
        raise ArchitectureUnsupported(name, "it rotates only part of each head")
    size = int(head_size * share)
    scaling = read_scaling(kind, rope, context)
    return RopeSettings(theta, scaling, 0 if size == head_size else size, local_theta)


def _parameters(fields: ConfigFields) -> tuple[str, Mapping[str, Any]]:
    """The object that is in effect, and its name."""
    for parent in ("rope_scaling", "rope_parameters"):
        if parameters := fields.raw(parent):
            return parent, parameters
    return "rope_parameters", {}


def _parameters_by_layer_kind(
    fields: ConfigFields, file: str
) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Gemma 3's name and object for layers that attend to all positions, and the object for those
    with a window. `rope_scaling` changes the former.
    """
    by_kind = fields.raw("rope_parameters") or {}
    for kind, parameters in by_kind.items():
        label = f"rope_parameters.{kind}"
        if kind not in _LAYER_KINDS:
            raise ConfigFieldUnsupported(file, "gemma3", label, show_value(parameters))
        if not isinstance(parameters, dict | None):
            raise ModelFileInvalid(file, f"{label} must be an object")
    full, local = (by_kind.get(kind) or {} for kind in _LAYER_KINDS)
    scaling = fields.raw("rope_scaling")
    if scaling is not None:
        if fields.raw("rope_parameters") is not None and by_kind.get("full_attention") is None:
            raise ModelFileInvalid(file, "rope_parameters.full_attention is missing")
        return "rope_scaling", {"rope_type": "default"} | full | scaling, local
    return "rope_parameters.full_attention", full, local


def _kind(name: str, parameters: Mapping[str, Any], parent: str, file: str) -> str:
    """The kind of scaling. Phi-3's `su` and `yarn` are early names of longrope."""
    kinds = [parameters[key] for key in ("rope_type", "type") if key in parameters]
    kind = kinds[0] if kinds else "default"
    if any(each != kind for each in kinds):
        shown = " and ".join(map(show_value, kinds))
        raise ModelFileInvalid(file, f"{parent} has a rope_type and another type: {shown}")
    if not isinstance(kind, str):
        raise ModelFileInvalid(file, f"{parent}.rope_type must be a string, not {show_value(kind)}")
    if name != "phi3":
        return kind
    if kind not in ("default", "longrope", "su", "yarn"):
        raise ArchitectureUnsupported(name, f"the RoPE scaling is {kind}")
    if kind == "su" and "original_max_position_embeddings" not in parameters:
        raise ModelFileInvalid(file, f"{parent}.original_max_position_embeddings is missing")
    return "default" if kind == "default" else "longrope"


def _local_theta(local: Mapping[str, Any], fields: ConfigFields, file: str) -> float:
    """Theta of layers with a window, which have no scaling."""
    parent = "rope_parameters.sliding_attention"
    if _kind("gemma3", local, parent, file) != "default":
        raise ArchitectureUnsupported("gemma3", "layers with a window use RoPE scaling")
    context = RopeContext("gemma3", file, parent, fields.integer("max_position_embeddings"), None)
    check_parameters(local, "default", context)
    rope = ConfigFields(local, file, parent=f"{parent}.")
    if rope.number("partial_rotary_factor", 1.0) != 1.0:
        raise ArchitectureUnsupported("gemma3", "it rotates only part of each head")
    return rope.positive("rope_theta", fields.positive("rope_local_base_freq"))
