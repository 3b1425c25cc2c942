# SPDX-License-Identifier: Apache-2.0
"""A mixture of experts: a router sends each row to a few of many MLPs, and adds up what they say.

Every row is computed by its own experts alone, so rows of several runs may come together.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from shard_runtime.architecture import Architecture, ExpertRouting
from shard_runtime.backends.torch.mlp import ACTIVATIONS, gate


class Experts:
    """One layer's router, and all its experts or (split over ranks) some of them."""

    def __init__(
        self,
        architecture: Architecture,
        routing: ExpertRouting,
        tensors: Mapping[str, torch.Tensor],
        first: int = 0,
    ) -> None:
        """first: which of the layer's experts the first one in `tensors` is."""
        self._activation = ACTIVATIONS[architecture.activation]
        self._routing = routing
        self._router = tensors["router"]  # (E, H)
        self._gate_up = tensors["expert_gate_up"]  # (E, 2 I, H)
        self._down = tensors["expert_down"]  # (E, H, I)
        self._held = range(first, first + self._down.shape[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(R, H) → (R, H): what the experts held here add."""
        shares, chosen = self._route(x)
        mixed = torch.zeros_like(x)
        for expert in sorted(set(chosen.flatten().tolist()) & set(self._held)):
            rows, places = torch.where(chosen == expert)
            said = self._ask(expert, x[rows]) * shares[rows, places, None]
            mixed.index_add_(0, rows, said)
        return mixed

    def _ask(self, expert: int, x: torch.Tensor) -> torch.Tensor:
        """(r, H) → (r, H)."""
        place = expert - self._held.start
        inner = gate(F.linear(x, self._gate_up[place]), self._activation)  # (r, I)
        return F.linear(inner, self._down[place])

    def _route(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The chosen experts' shares and indices, (R, chosen) each."""
        probabilities = F.linear(x, self._router).softmax(-1, dtype=torch.float32)  # (R, E)
        shares, chosen = probabilities.topk(self._routing.chosen, dim=-1)
        if self._routing.normalized:
            shares = shares / shares.sum(-1, keepdim=True)
        return shares.to(x.dtype), chosen
