# SPDX-License-Identifier: Apache-2.0
"""Reads a GGUF file's RoPE scaling, which is stored in the metadata or as tensors."""

from dataclasses import replace

import torch

from shard_runtime.architecture import RopeScaling
from shard_runtime.errors import ArchitectureUnsupported
from shard_runtime.model_files.config.fields import ConfigFields
from shard_runtime.model_files.config.rope_scaling import (
    longrope_attention_factor,
    yarn_attention_factor,
)
from shard_runtime.model_files.gguf.gguf_file import GgufFile
from shard_runtime.model_files.tensors.dequantization import dequantizer_for
from shard_runtime.model_files.tensors.tensor_store import StoredTensor, read_pieces

_LLAMA3_DIVISORS = "rope_freqs.weight"
"""Converted Llama 3 files store one divisor per frequency instead of the scaling's parameters."""
_SHORT_DIVISORS, _LONG_DIVISORS = "rope_factors_short.weight", "rope_factors_long.weight"
"""Phi-3's divisors, within and beyond the original context."""


def read_scaling(name: str, fields: ConfigFields, gguf: GgufFile) -> RopeScaling:
    """Reads the scaling of family `name`. Raises `ModelFileInvalid`, `ArchitectureUnsupported`."""
    if _LLAMA3_DIVISORS in gguf.tensors:
        return RopeScaling(
            "factors", factors=_read_numbers(gguf.tensors.find_tensor(_LLAMA3_DIVISORS))
        )
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
    raise ArchitectureUnsupported(name, f"the RoPE scaling is {kind}")


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
        factors=_read_numbers(gguf.tensors.find_tensor(_SHORT_DIVISORS)),
        long_factors=_read_numbers(gguf.tensors.find_tensor(_LONG_DIVISORS)),
    )


def _read_numbers(tensor: StoredTensor) -> tuple[float, ...]:
    dequantize = dequantizer_for(tensor)
    pieces = [dequantize(piece, 1).flatten() for _, piece in read_pieces(tensor)]
    return tuple(float(number) for number in torch.cat(pieces))
