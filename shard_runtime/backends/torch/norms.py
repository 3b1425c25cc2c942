# SPDX-License-Identifier: Apache-2.0
"""Norms over the last dimension: RMSNorm, RMSNorm whose weights are stored less 1, LayerNorm."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from shard_runtime.architecture import Architecture


class Norm:
    """One norm with its weights."""

    def __init__(
        self, kind: str, weight: torch.Tensor, bias: torch.Tensor | None, epsilon: float
    ) -> None:
        self._kind = kind
        self._weight = weight
        self._bias = bias
        self._epsilon = epsilon

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._kind == "layer":
            return F.layer_norm(x, self._weight.shape, self._weight, self._bias, self._epsilon)
        # In float32, and written out: torch's own took 0.1 ms a call.
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self._epsilon)
        if self._kind == "rms_one":  # Gemma rounds after its weights, Llama before
            return (scaled * (1.0 + self._weight.float())).to(x.dtype)
        return self._weight * scaled.to(x.dtype)


def build_norm(
    architecture: Architecture, tensors: Mapping[str, torch.Tensor], name: str
) -> Norm | None:
    """The norm of that name; None where the architecture has none there."""
    weight = tensors.get(name)
    if weight is None:
        return None
    bias = tensors.get(f"{name}.bias")
    return Norm(architecture.norm, weight, bias, architecture.norm_epsilon)


def need_norm(architecture: Architecture, tensors: Mapping[str, torch.Tensor], name: str) -> Norm:
    norm = build_norm(architecture, tensors, name)
    assert norm is not None
    return norm
