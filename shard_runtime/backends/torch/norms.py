# SPDX-License-Identifier: Apache-2.0
"""Norms over the last dimension: RMSNorm, RMSNorm with weights stored minus 1, LayerNorm."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from shard_runtime.architecture import Architecture


class Norm:
    """One norm and its weights."""

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
        # In float32, and written out: torch's rms_norm takes 0.1 ms per call.
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self._epsilon)
        if self._kind == "rms_one":  # Gemma rounds after the weights, Llama before
            return (scaled * (1.0 + self._weight.float())).to(x.dtype)
        return self._weight * scaled.to(x.dtype)


def build_norm(
    architecture: Architecture, tensors: Mapping[str, torch.Tensor], name: str
) -> Norm | None:
    """The norm of that name; None if the layer has no such norm."""
    weight = tensors.get(name)
    if weight is None:
        return None
    bias = tensors.get(f"{name}.bias")
    return Norm(architecture.norm, weight, bias, architecture.norm_epsilon)


def require_norm(
    architecture: Architecture, tensors: Mapping[str, torch.Tensor], name: str
) -> Norm:
    """The norm of that name, which every layer has."""
    norm = build_norm(architecture, tensors, name)
    assert norm is not None
    return norm
