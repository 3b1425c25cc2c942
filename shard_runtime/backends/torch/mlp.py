# SPDX-License-Identifier: Apache-2.0
"""The MLP of a layer: gated (SwiGLU, GeGLU) or plain."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F

from shard_runtime.architecture import Architecture

Activation = Callable[[torch.Tensor], torch.Tensor]

ACTIVATIONS: Mapping[str, Activation] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
}


class Mlp:
    """Up, activation, down. Gate and up form one matrix, gate first: fewer, larger products."""

    def __init__(self, architecture: Architecture, tensors: Mapping[str, torch.Tensor]) -> None:
        self._activation = ACTIVATIONS[architecture.activation]
        self._gated = architecture.gated
        first = "gate_up" if architecture.gated else "up"
        self._up, self._up_bias = tensors[first], tensors.get(f"{first}.bias")
        self._down, self._down_bias = tensors["down"], tensors.get("down.bias")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(R, H) → (R, H), row by row."""
        inner = F.linear(x, self._up, self._up_bias)  # (R, I), or (R, 2 I) with the gate
        activated = gate(inner, self._activation) if self._gated else self._activation(inner)
        return F.linear(activated, self._down, self._down_bias)


def gate(gate_up: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Multiplies the activated first half by the second: (…, 2 I) → (…, I)."""
    gates, ups = gate_up.chunk(2, dim=-1)
    return activation(gates) * ups
