# SPDX-License-Identifier: Apache-2.0
"""Decides which models the native kernels can compute; others use the torch backend."""

from shard_runtime.architecture import Architecture

MAX_HEAD_SIZE = 1024
"""A sanity limit: kernels keep no head on the stack."""


def unsupported_reason(architecture: Architecture) -> str | None:
    """Why the kernels cannot compute the model; None if they can.

    Any sizes are supported: `layout` pads them to whole panels and groups.
    """
    shape = architecture
    rules = {
        "its norms are not plain RMSNorm": shape.norm == "rms" and not shape.post_norms,
        "its MLP is not SwiGLU": shape.activation == "silu" and shape.gated,
        "it has experts": shape.experts is None,
        "its positions are learned": shape.positions == "rotary",
        "only part of each head rotates": shape.rotary_size in (0, shape.head_size),
        "its layers rotate at different rates": shape.local_rope_theta == 0,
        "its rotation depends on the run's length": not shape.rope_scaling.long_factors,
        "its attention scores are scaled or capped": shape.attention_scale == 0
        and shape.attention_cap == 0,
        "its logits are capped, or its embedding is scaled": shape.logit_cap == 0
        and shape.embedding_scale == 1,
        f"its heads have {shape.head_size} dimensions, not even or above {MAX_HEAD_SIZE}": (
            shape.head_size % 2 == 0 and shape.head_size <= MAX_HEAD_SIZE
        ),
        "its head count is not a multiple of its key-value head count": (
            shape.head_count % shape.kv_head_count == 0
        ),
    }
    return next((rule for rule, holds in rules.items() if not holds), None)
