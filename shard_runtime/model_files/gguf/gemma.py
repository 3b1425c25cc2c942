# SPDX-License-Identifier: Apache-2.0
"""What distinguishes the Gemma architectures in a GGUF's metadata.

The rules are llama.cpp's (src/models/gemma.cpp, gemma2.cpp and gemma3.cpp, `load_arch_hparams`),
except that `attention.scale`, which llama.cpp ignores for Gemma, is computed.
"""

from math import sqrt
from typing import Any

from shard_runtime.architecture import Architecture
from shard_runtime.errors import ArchitectureUnsupported
from shard_runtime.model_files.config.fields import ConfigFields

Differences = dict[str, Any]

_GEMMA2_WINDOW = 4096
_GEMMA2_27B_LAYERS, _GEMMA3_27B_LAYERS = 46, 62
"""Model sizes that scale attention scores by hidden size / heads instead of by the head size."""


def read_gemma(fields: ConfigFields, plain: Architecture) -> Differences:
    """Gemma 1."""
    return {
        "norm": "rms_one",
        "activation": "gelu_tanh",
        "embedding_scale": sqrt(plain.hidden_size),
    }


def read_gemma2(fields: ConfigFields, plain: Architecture) -> Differences:
    """Gemma 2: caps, and a window in every other layer."""
    local_theta = fields.number("rope.freq_base_swa", plain.rope_theta)
    if local_theta != plain.rope_theta:
        raise ArchitectureUnsupported(
            plain.name, f"rope.freq_base_swa is {local_theta:g}, unlike rope.freq_base"
        )
    window = fields.integer("attention.sliding_window", _GEMMA2_WINDOW)
    return {
        **_gemma_2_or_3(fields, plain, _GEMMA2_27B_LAYERS),
        "attention_cap": fields.positive("attn_logit_softcapping", 50.0),
        "logit_cap": fields.positive("final_logit_softcapping", 30.0),
        "windows": _windows(fields, plain, window, 2),
    }


def read_gemma3(fields: ConfigFields, plain: Architecture) -> Differences:
    """Gemma 3: layers with a window have rotary frequencies of their own, without scaling."""
    scaling = plain.rope_scaling
    if scaling.kind not in ("default", "linear") or scaling.attention_factor != 1:
        raise ArchitectureUnsupported(
            plain.name,
            f"its RoPE scaling is {scaling.kind} with an attention factor of "
            f"{scaling.attention_factor:g}",
        )
    window = fields.integer("attention.sliding_window", 0, minimum=0)
    return {
        **_gemma_2_or_3(fields, plain, _GEMMA3_27B_LAYERS),
        "logit_cap": fields.number("final_logit_softcapping", 0.0),
        "windows": _windows(fields, plain, window, 6),
        "local_rope_theta": fields.number("rope.freq_base_swa", 10000.0),
    }


def _gemma_2_or_3(
    fields: ConfigFields, plain: Architecture, hidden_scaled_layers: int
) -> Differences:
    size = plain.head_size
    if plain.layer_count == hidden_scaled_layers:
        size = plain.hidden_size // plain.head_count
    scale = fields.number("attention.scale", 0.0)
    if not scale and size != plain.head_size:
        scale = 1 / sqrt(size)
    return {**read_gemma(fields, plain), "post_norms": True, "attention_scale": scale}


def _windows(
    fields: ConfigFields, plain: Architecture, window: int, period: int
) -> tuple[int, ...]:
    """A window for the layers that a list marks, or else for all but every `period`-th."""
    key, layers = "attention.sliding_window_pattern", range(plain.layer_count)
    marks = fields.raw(key)
    if not isinstance(marks, list):
        period = fields.integer(key, period)
        marks = [(layer + 1) % period != 0 for layer in layers]
    if len(marks) != len(layers) or not all(type(mark) in (bool, int) for mark in marks):
        raise fields.invalid(key, f"must be a number, or a list of {len(layers)}, one per layer")
    return tuple(window if marks[layer] else 0 for layer in layers)
