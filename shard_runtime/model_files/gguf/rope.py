# SPDX-License-Identifier: Apache-2.0
"""What a GGUF says about stretching rotary frequencies, in metadata or as tensors."""

from dataclasses import replace

import torch

from shard_runtime.architecture import RopeScaling
from shard_runtime.errors import ArchitectureUnsupported
from shard_runtime.model_files.config.fields import ConfigFields
from shard_runtime.model_files.config.rope import longrope_attention_factor, yarn_attention_factor
from shard_runtime.model_files.gguf.gguf_file import GgufFile
from shard_runtime.model_files.tensors.decode import decoder
from shard_runtime.model_files.tensors.tensor_file import StoredTensor, read_pieces

_ROPE_DIVISORS = "rope_freqs.weight"
"""Llama 3's converted files carry one divisor per frequency as a tensor, instead of the scaling's
parameters.
"""
_SHORT_DIVISORS, _LONG_DIVISORS = "rope_factors_short.weight", "rope_factors_long.weight"
"""Phi-3's, within and beyond the original context."""


def read_scaling(name: str, fields: ConfigFields, gguf: GgufFile) -> RopeScaling:
    """Raises `ModelFileInvalid`, `ArchitectureUnsupported`."""
    if _ROPE_DIVISORS in gguf.tensors:
        return RopeScaling("factors", factors=_numbers(gguf.tensors.find(_ROPE_DIVISORS)))
    if _LONG_DIVISORS in gguf.tensors:
        return _longrope(fields, gguf)
    kind = fields.text("rope.scaling.type", "none")
    if kind == "none":
        return RopeScaling()
    factor = fields.number("rope.scaling.factor")
    scaling = RopeScaling(kind, factor=factor)
    if kind == "linear":
        return scaling
    if kind == "yarn":
        return replace(
            scaling,
            original_context_length=fields.integer("rope.scaling.original_context_length"),
            beta_fast=fields.number("rope.scaling.yarn_beta_fast", 32.0),
            beta_slow=fields.number("rope.scaling.yarn_beta_slow", 1.0),
            attention_factor=fields.number(
                "rope.scaling.attn_factor", yarn_attention_factor(factor)
            ),
        )
    raise ArchitectureUnsupported(name, f"its rotary scaling is {kind}")


def _longrope(fields: ConfigFields, gguf: GgufFile) -> RopeScaling:
    original = fields.integer("rope.scaling.original_context_length", minimum=2)
    factor = max(1.0, fields.integer("context_length") / original)
    return RopeScaling(
        "longrope",
        factor=factor,
        original_context_length=original,
        attention_factor=fields.number(
            "rope.scaling.attn_factor", longrope_attention_factor(factor, original)
        ),
        factors=_numbers(gguf.tensors.find(_SHORT_DIVISORS)),
        long_factors=_numbers(gguf.tensors.find(_LONG_DIVISORS)),
    )


def _numbers(tensor: StoredTensor) -> tuple[float, ...]:
    decode = decoder(tensor)
    pieces = [decode(piece, 1).flatten() for _, piece in read_pieces(tensor)]
    return tuple(float(number) for number in torch.cat(pieces))
