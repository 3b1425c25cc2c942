# SPDX-License-Identifier: Apache-2.0
"""A mixture of experts: a router selects a few of many MLPs for each row and sums their outputs.

Each row is computed only by its own experts, so rows of several runs can share a batch.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from shard_runtime.architecture import Architecture, ExpertRouting
from shard_runtime.backends.torch.mlp import ACTIVATIONS, gate


class Experts:
    """One layer's router and experts."""

    def __init__(
        self,
        architecture: Architecture,
        routing: ExpertRouting,
        tensors: Mapping[str, torch.Tensor],
    ) -> None:
        self._activation = ACTIVATIONS[architecture.activation]
        self._routing = routing
        self._router = tensors["router"]  # (E, H)
        self._gate_up = tensors["expert_gate_up"]  # (E, 2 I, H)
        self._down = tensors["expert_down"]  # (E, H, I)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(R, H) → (R, H): the weighted sum of each row's experts."""
        shares, chosen = self._route(x)
        mixed = torch.zeros_like(x)
        for expert in sorted(set(chosen.flatten().tolist())):
            rows, ranks = torch.where(chosen == expert)
            output = self._expert(expert, x[rows]) * shares[rows, ranks, None]
            mixed.index_add_(0, rows, output)
        return mixed

    def _expert(self, expert: int, x: torch.Tensor) -> torch.Tensor:
        """(r, H) → (r, H)."""
        inner = gate(F.linear(x, self._gate_up[expert]), self._activation)  # (r, I)
        return F.linear(inner, self._down[expert])

    def _route(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The shares and indices of the chosen experts, (R, chosen) each."""
        probabilities = F.linear(x, self._router).softmax(-1, dtype=torch.float32)  # (R, E)
        shares, chosen = probabilities.topk(self._routing.chosen, dim=-1)
        if self._routing.normalized:
            shares = shares / shares.sum(-1, keepdim=True)
        return shares.to(x.dtype), chosen
