# SPDX-License-Identifier: Apache-2.0
"""Reads a GGUF file's RoPE scaling, which is stored in the metadata or as tensors.

The rules are llama.cpp's (src/llama-model.cpp `load_hparams`, src/llama-context.cpp): an absent
type is linear; an absent factor, or 0, scales nothing; `attn_factor` multiplies what the type of
scaling gives. Without that key, longrope's is what Phi-3 computes: converters write it
since May 2024, and llama.cpp takes 1 for older files.
"""

from collections.abc import Mapping
from math import inf

import torch

from shard_runtime.architecture import RopeScaling
from shard_runtime.errors import ArchitectureUnsupported, TensorInvalid
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
DIVISORS: Mapping[str, tuple[str, ...]] = {
    "factors": (_LLAMA3_DIVISORS,),
    "longrope": (_SHORT_DIVISORS, _LONG_DIVISORS),
}
"""The tensors that a kind of scaling is read from."""
_YARN_BETA_FAST, _YARN_BETA_SLOW = 32.0, 1.0


def read_scaling(name: str, fields: ConfigFields, gguf: GgufFile) -> RopeScaling:
    """Reads the scaling of architecture `name`.

    Raises `ModelFileInvalid`, `TensorMissing`, `ArchitectureUnsupported`.
    """
    kind, factor = fields.text("rope.scaling.type"), _factor(fields)
    amplitude = fields.positive("rope.scaling.attn_factor", 1.0)
    if kind not in ("none", "linear", "yarn", "longrope"):
        raise ArchitectureUnsupported(name, f"the RoPE scaling is {kind}")
    divisors = [each for each in _divisor_tensors(name, fields) if each in gguf.tensors]
    if divisors and (kind == "yarn" or (factor != 1 and kind != "none")):
        raise ArchitectureUnsupported(
            name,
            f"it combines {divisors[0]} with rope.scaling.type {kind} and factor {factor:g}",
        )
    if _LLAMA3_DIVISORS in divisors:
        factors = _read_numbers(gguf.tensors.find_tensor(_LLAMA3_DIVISORS))
        return RopeScaling("factors", factors=factors, attention_factor=amplitude)
    if divisors:
        return _longrope(fields, gguf)
    if kind == "yarn" and factor != 1:
        return RopeScaling(
            kind,
            factor=factor,
            original_context_length=_original_context(fields),
            beta_fast=_YARN_BETA_FAST,
            beta_slow=_YARN_BETA_SLOW,
            attention_factor=yarn_attention_factor(factor) * amplitude,
        )
    if kind == "none" or factor == 1:
        return RopeScaling(attention_factor=amplitude)
    return RopeScaling("linear", factor=factor, attention_factor=amplitude)


def _divisor_tensors(name: str, fields: ConfigFields) -> tuple[str, ...]:
    """The divisors that an architecture may have, as src/models/*.cpp create them."""
    if name == "phi3" or (name == "llama" and fields.text("rope.scaling.type") == "longrope"):
        return (_SHORT_DIVISORS, _LONG_DIVISORS)
    return (_LLAMA3_DIVISORS,) if name == "llama" else ()


def _factor(fields: ConfigFields) -> float:
    """The factor, under its present or its former key; 1 if nothing is scaled."""
    former = fields.number("rope.scale_linear", 0.0)
    return fields.number("rope.scaling.factor", former) or 1.0


def _original_context(fields: ConfigFields, minimum: int = 1) -> int:
    context = fields.integer("context_length")
    return fields.integer("rope.scaling.original_context_length", context, minimum=minimum)


def _longrope(fields: ConfigFields, gguf: GgufFile) -> RopeScaling:
    original = _original_context(fields, minimum=2)
    factor = max(1.0, fields.integer("context_length") / original)
    amplitude = longrope_attention_factor(factor, original)
    return RopeScaling(
        "longrope",
        factor=factor,
        original_context_length=original,
        attention_factor=fields.positive("rope.scaling.attn_factor", amplitude),
        factors=_read_numbers(gguf.tensors.find_tensor(_SHORT_DIVISORS)),
        long_factors=_read_numbers(gguf.tensors.find_tensor(_LONG_DIVISORS)),
    )


def _read_numbers(tensor: StoredTensor) -> tuple[float, ...]:
    dequantize = dequantizer_for(tensor)
    pieces = [dequantize(piece, 1).flatten() for _, piece in read_pieces(tensor)]
    numbers = tuple(float(number) for number in torch.cat(pieces))
    if len(tensor.shape) != 1 or not all(0 < number < inf for number in numbers):
        raise TensorInvalid(tensor.name, "must be a list of numbers above 0")
    return numbers
