# SPDX-License-Identifier: Apache-2.0
"""Small models of every family with random weights, for the native backend without a file."""

from dataclasses import replace

import torch

from shard_runtime.architecture import Architecture, RopeScaling
from shard_runtime.backends.native import NativeLayers, NativeSpan, Precision, ThreadPool

LLAMA = Architecture(
    name="llama",
    layer_count=3,
    hidden_size=72,
    intermediate_size=100,
    head_count=6,
    kv_head_count=2,
    head_size=12,
    vocabulary_size=99,
    context_length=256,
    norm_epsilon=1e-5,
    rope_theta=10000.0,
    rope_scaling=RopeScaling(),
    qkv_bias=False,
    output_bias=False,
    mlp_bias=False,
    qk_norm=False,
    tied_embedding=True,
    windows=(0, 0, 0),
)
FAMILIES = {
    "llama": LLAMA,
    "llama with all biases": replace(LLAMA, qkv_bias=True, output_bias=True, mlp_bias=True),
    "mistral": replace(LLAMA, name="mistral", windows=(9, 9, 9), head_size=16),
    "qwen2": replace(LLAMA, name="qwen2", qkv_bias=True, windows=(0, 0, 20), kv_head_count=6),
    "qwen3": replace(LLAMA, name="qwen3", qk_norm=True, head_size=32, kv_head_count=1),
}


def weights_of(shape: Architecture, seed: int) -> dict[str, torch.Tensor]:
    """Random weights that keep hidden states at about the same size through the layers."""
    generator = torch.Generator().manual_seed(seed)
    H, inner, D = shape.hidden_size, shape.intermediate_size, shape.head_size
    queries, fused = shape.head_count * D, (shape.head_count + 2 * shape.kv_head_count) * D

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=generator) * 1.5 / columns**0.5

    def vector(size: int, mean: float = 0.0) -> torch.Tensor:
        return mean + 0.3 * torch.randn(size, generator=generator)

    tensors = {
        "attention_norm": vector(H, 1),
        "query_key_value": matrix(fused, H),
        "query_key_value.bias": vector(fused) if shape.qkv_bias else None,
        "query_norm": vector(D, 1) if shape.qk_norm else None,
        "key_norm": vector(D, 1) if shape.qk_norm else None,
        "output": matrix(H, queries),
        "output.bias": vector(H) if shape.output_bias else None,
        "mlp_norm": vector(H, 1),
        "gate_up": matrix(2 * inner, H),
        "gate_up.bias": vector(2 * inner) if shape.mlp_bias else None,
        "down": matrix(H, inner),
        "down.bias": vector(H) if shape.mlp_bias else None,
    }
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def layers_of(
    shape: Architecture, precision: Precision, *, threads: int = 1, instructions: str | None = None
) -> NativeLayers:
    thread_pool = ThreadPool(threads=threads, instructions=instructions)
    layers = NativeLayers(shape, precision=precision, thread_pool=thread_pool)
    for index, window in enumerate(shape.windows):
        layers.pack_and_add(weights_of(shape, index), window)
    return layers


def prompt_of(shape: Architecture, rows: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, shape.hidden_size, generator=generator)


def alone(layers: NativeLayers, prompt: torch.Tensor) -> torch.Tensor:
    """Computes one position at a time, without other runs."""
    cache = layers.allocate_cache(len(prompt))
    rows = [
        layers.forward(prompt[at : at + 1], [NativeSpan(cache, at, 1)]) for at in range(len(prompt))
    ]
    return torch.cat(rows)
