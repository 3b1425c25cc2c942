# SPDX-License-Identifier: Apache-2.0
"""Which models the kernels compute. The engine takes torch for the others."""

from shard_runtime.architecture import Architecture

LARGEST_HEAD = 1024
"""Floats; kernels hold no head on the stack, so this only keeps nonsense out."""


def unsupported(architecture: Architecture) -> str | None:
    """Why not, in words for a log; None where it is supported."""
    shape = architecture
    rules = {
        "its norms are not plain RMSNorm": shape.norm == "rms" and not shape.post_norms,
        "its MLP is not SwiGLU": shape.activation == "silu" and shape.gated,
        "it has experts": shape.experts is None,
        "its positions are learned": shape.positions == "rotary",
        "only a part of each head rotates": shape.rotary_size in (0, shape.head_size),
        "its layers rotate at different rates": shape.local_rope_theta == 0,
        "its rotation depends on the run's length": not shape.rope_scaling.long_factors,
        "its attention scores are scaled or capped": shape.attention_scale == 0
        and shape.attention_cap == 0,
        "its logits are capped, or its embedding is scaled": shape.logit_cap == 0
        and shape.embedding_scale == 1,
        f"its heads have {shape.head_size} dimensions, not even or above {LARGEST_HEAD}": (
            shape.head_size % 2 == 0 and shape.head_size <= LARGEST_HEAD
        ),
        "its heads cannot be shared evenly": shape.head_count % shape.kv_head_count == 0,
    }
    return next((rule for rule, kept in rules.items() if not kept), None)


def supports(architecture: Architecture) -> bool:
    """Any sizes: those that are no multiple of 32 are padded."""
    return unsupported(architecture) is None
