# SPDX-License-Identifier: Apache-2.0
"""Reads one object of RoPE parameters: which fields each kind of scaling has, and what they mean.

As in transformers, an absent field has a default, and only some fields may be null.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shard_runtime.architecture import RopeScaling
from shard_runtime.errors import ArchitectureUnsupported, ConfigFieldUnsupported
from shard_runtime.model_files.config.field_table import (
    FieldTable,
    computed,
    no_effect,
    require_type,
    show_value,
)
from shard_runtime.model_files.config.fields import ConfigFields

_NULL = type(None)
_NUMBER, _NUMBER_OR_NULL = (int, float), (int, float, _NULL)
_EVERY_KIND: FieldTable = {
    "rope_type": computed((str,)),
    "type": computed((str,)),
    "rope_theta": computed(_NUMBER),
    "partial_rotary_factor": computed(_NUMBER),
    "finetuned": no_effect((bool,)),  # in files of early YaRN models
}
_ORIGINAL = {"original_max_position_embeddings": computed(_NUMBER)}
_UNUSED_ORIGINAL = {"original_max_position_embeddings": no_effect(_NUMBER_OR_NULL)}
_KINDS: Mapping[str, FieldTable] = {
    "default": {**_EVERY_KIND, **_UNUSED_ORIGINAL},
    "linear": {**_EVERY_KIND, **_UNUSED_ORIGINAL, "factor": computed(_NUMBER)},
    "llama3": {
        **_EVERY_KIND,
        **_ORIGINAL,
        "factor": computed(_NUMBER),
        "low_freq_factor": computed(_NUMBER),
        "high_freq_factor": computed(_NUMBER),
    },
    "yarn": {
        **_EVERY_KIND,
        **_ORIGINAL,
        "factor": computed(_NUMBER_OR_NULL),
        "attention_factor": computed(_NUMBER_OR_NULL),
        "beta_fast": computed(_NUMBER_OR_NULL),
        "beta_slow": computed(_NUMBER_OR_NULL),
        "mscale": computed(_NUMBER_OR_NULL),
        "mscale_all_dim": computed(_NUMBER_OR_NULL),
        "truncate": computed((bool,)),
    },
    "longrope": {
        **_EVERY_KIND,
        **_ORIGINAL,
        "factor": computed(_NUMBER_OR_NULL),
        "attention_factor": computed(_NUMBER_OR_NULL),
        "short_factor": computed((list,)),
        "long_factor": computed((list,)),
    },
}
"""The fields of each kind of scaling. A field of another kind is refused."""


@dataclass(frozen=True, slots=True)
class RopeContext:
    """What the scaling depends on beside its own parameters."""

    family: str
    file: str
    parent: str
    """The name of the object in the file."""
    context_length: int
    original: float | None
    """`original_max_position_embeddings` outside the object, which takes precedence."""


def check_parameters(parameters: Mapping[str, Any], kind: str, context: RopeContext) -> None:
    """Checks the fields and their types.

    Raises `ArchitectureUnsupported`, `ConfigFieldUnsupported`, `ModelFileInvalid`.
    """
    table = _KINDS.get(kind)
    if table is None:
        raise ArchitectureUnsupported(context.family, f"the RoPE scaling is {kind}")
    for name, value in parameters.items():
        label = f"{context.parent}.{name}"
        if name not in table:
            raise ConfigFieldUnsupported(context.file, context.family, label, show_value(value))
        require_type(table[name].types, label, value, context.file)


def read_scaling(kind: str, rope: ConfigFields, context: RopeContext) -> RopeScaling:
    """Reads the scaling from parameters that were checked. Raises `ModelFileInvalid`."""
    return _READERS[kind](rope, context)


def longrope_attention_factor(factor: float, original: int) -> float:
    """The factor applied to queries and keys (LongRoPE, arXiv 2402.13753)."""
    return math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0


def yarn_attention_factor(factor: float, scale: float = 1.0) -> float:
    """The factor applied to queries and keys (YaRN, arXiv 2309.00071, equation 22)."""
    return 0.1 * scale * math.log(factor) + 1.0 if factor > 1 else 1.0


def _default(rope: ConfigFields, context: RopeContext) -> RopeScaling:
    return RopeScaling()


def _linear(rope: ConfigFields, context: RopeContext) -> RopeScaling:
    return RopeScaling("linear", factor=rope.number("factor"))


def _llama3(rope: ConfigFields, context: RopeContext) -> RopeScaling:
    low, high = rope.positive("low_freq_factor"), rope.positive("high_freq_factor")
    if low >= high:
        raise rope.invalid("high_freq_factor", f"must be above low_freq_factor, which is {low:g}")
    return RopeScaling(
        "llama3",
        factor=rope.number("factor"),
        original_context_length=_original(rope, context),
        low_frequency_factor=low,
        high_frequency_factor=high,
    )


def _yarn(rope: ConfigFields, context: RopeContext) -> RopeScaling:
    original = _original(rope, context)
    if not rope.contains("factor"):
        raise rope.invalid("factor", "is missing")
    factor = rope.number("factor", context.context_length / original)
    scale, all_scale = rope.number("mscale", 0.0), rope.number("mscale_all_dim", 0.0)
    attention_factor = yarn_attention_factor(factor)
    if scale and all_scale:
        attention_factor = yarn_attention_factor(factor, scale)
        attention_factor /= yarn_attention_factor(factor, all_scale)
    return RopeScaling(
        "yarn",
        factor=factor,
        original_context_length=original,
        beta_fast=rope.number("beta_fast", 32.0) or 32.0,
        beta_slow=rope.number("beta_slow", 1.0) or 1.0,
        attention_factor=rope.number("attention_factor", attention_factor),
        truncate=rope.flag("truncate", default=True),
    )


def _longrope(rope: ConfigFields, context: RopeContext) -> RopeScaling:
    original = _original(rope, context, minimum=2)
    factor = rope.number("factor", context.context_length / original)
    attention_factor = rope.number("attention_factor", longrope_attention_factor(factor, original))
    return RopeScaling(
        "longrope",
        factor=max(1.0, factor),
        original_context_length=original,
        attention_factor=attention_factor,
        factors=rope.numbers("short_factor"),
        long_factors=rope.numbers("long_factor"),
    )


def _original(rope: ConfigFields, context: RopeContext, minimum: int = 1) -> int:
    """The context length of the training. A float is accepted if it is whole."""
    name = "original_max_position_embeddings"
    value = rope.number(name, context.context_length)
    if context.original is not None:
        value = context.original
    if value != int(value) or value < minimum:
        raise rope.invalid(name, f"must be a whole number of at least {minimum}, not {value:g}")
    return int(value)


_READERS: Mapping[str, Callable[[ConfigFields, RopeContext], RopeScaling]] = {
    "default": _default,
    "linear": _linear,
    "llama3": _llama3,
    "yarn": _yarn,
    "longrope": _longrope,
}
