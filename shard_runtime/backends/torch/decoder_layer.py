# SPDX-License-Identifier: Apache-2.0
"""One decoder layer: attention, then an MLP or experts, each normed and added to its input.

Hidden states are (R, H): the rows of one or several runs, concatenated.
"""

from collections.abc import Mapping

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.torch.attention import Attention
from shard_runtime.backends.torch.batch import Batch
from shard_runtime.backends.torch.experts import Experts
from shard_runtime.backends.torch.mlp import Mlp
from shard_runtime.backends.torch.norms import build_norm, require_norm


class DecoderLayer:
    """One layer of a shard, built from the tensors of its layout (tensor_layout.py)."""

    def __init__(
        self,
        architecture: Architecture,
        layer: int,
        index: int,
        tensors: Mapping[str, torch.Tensor],
    ) -> None:
        """layer: counted within the model. index: counted within the shard."""
        window = architecture.windows[layer]
        self._attention_norm = require_norm(architecture, tensors, "attention_norm")
        self._attention = Attention(architecture, index, window, tensors)
        self._attention_post_norm = build_norm(architecture, tensors, "attention_post_norm")
        self._mlp_norm = require_norm(architecture, tensors, "mlp_norm")
        self._mlp: Mlp | Experts
        if architecture.experts is not None and layer in architecture.experts.layers:
            self._mlp = Experts(architecture, architecture.experts, tensors)
        else:
            self._mlp = Mlp(architecture, tensors)
        self._mlp_post_norm = build_norm(architecture, tensors, "mlp_post_norm")

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(R, H) → (R, H). Appends the rows' keys and values to their caches."""
        attended = self._attention.forward(self._attention_norm(hidden), batch)
        if self._attention_post_norm is not None:
            attended = self._attention_post_norm(attended)
        hidden = hidden + attended
        computed = self._mlp.forward(self._mlp_norm(hidden))
        if self._mlp_post_norm is not None:
            computed = self._mlp_post_norm(computed)
        return hidden + computed
