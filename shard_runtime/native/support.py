"""Which models the kernels compute. The engine takes torch for the others."""

from shard_runtime.model.architecture import Architecture

LARGEST_HEAD = 1024
"""Floats; kernels hold no head on the stack, so this only keeps nonsense out."""

_FAMILIES = frozenset({"llama", "mistral", "qwen2", "qwen3"})


def unsupported(architecture: Architecture) -> str | None:
    """Why not, in words for a log; None where it is supported."""
    if architecture.name not in _FAMILIES:
        return f"the native step knows {sorted(_FAMILIES)}, not {architecture.name}"
    if architecture.head_size % 2 or architecture.head_size > LARGEST_HEAD:
        return f"heads of {architecture.head_size} dimensions, not even or above {LARGEST_HEAD}"
    if architecture.head_count % architecture.kv_head_count:
        return "the heads cannot be shared evenly"
    return None


def supports(architecture: Architecture) -> bool:
    """Any sizes: those that are no multiple of 32 are padded."""
    return unsupported(architecture) is None
