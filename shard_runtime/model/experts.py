"""A mixture of experts: a router sends each row to a few of many MLPs, and adds up what they say.

Every row is computed by its own experts alone, so rows of several runs may come together.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from shard_runtime.model.architecture import Architecture, ExpertRouting
from shard_runtime.model.mlp import ACTIVATIONS, gate


class Experts:
    """The router and all experts of one layer."""

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
        """(R, H) → (R, H)."""
        shares, chosen = self._route(x)
        mixed = torch.zeros_like(x)
        for expert in sorted(set(chosen.flatten().tolist())):
            rows, places = torch.where(chosen == expert)
            inner = gate(F.linear(x[rows], self._gate_up[expert]), self._activation)  # (r, I)
            said = F.linear(inner, self._down[expert]) * shares[rows, places, None]
            mixed.index_add_(0, rows, said)
        return mixed

    def _route(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The chosen experts' shares and indices, (R, chosen) each."""
        probabilities = F.linear(x, self._router).softmax(-1, dtype=torch.float32)  # (R, E)
        shares, chosen = probabilities.topk(self._routing.chosen, dim=-1)
        if self._routing.normalized:
            shares = shares / shares.sum(-1, keepdim=True)
        return shares.to(x.dtype), chosen
