# SPDX-License-Identifier: Apache-2.0
"""A shard computed by torch: any model, in any of torch's float types."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F

from shard_runtime.architecture import Architecture
from shard_runtime.backends.shard import Shard, Span
from shard_runtime.backends.torch.batch import Batch
from shard_runtime.backends.torch.decoder_layer import DecoderLayer
from shard_runtime.backends.torch.kv_cache import TorchCachePool
from shard_runtime.backends.torch.norms import require_norm
from shard_runtime.backends.torch.rotary import RotaryEmbedding
from teetee.protocol.layers import LayerRange


class EntryWeights:
    """An entry's weights outside its layers."""

    def __init__(self, architecture: Architecture, tensors: Mapping[str, torch.Tensor]) -> None:
        self.embedding = tensors["embedding"]  # (V, H)
        self.positions = tensors.get("positions")  # (context, H), if learned
        self.norm = require_norm(architecture, tensors, "final_norm")
        self.head = tensors.get("head", self.embedding)  # (V, H); the embedding if tied


class TorchShard(Shard):
    """Layers built from torch tensors."""

    def __init__(
        self,
        *,
        architecture: Architecture,
        layers: LayerRange,
        modules: tuple[DecoderLayer, ...],
        entry: EntryWeights | None,
        slice_digest: bytes,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(
            architecture=architecture,
            layers=layers,
            is_entry=entry is not None,
            slice_digest=slice_digest,
        )
        self.dtype = dtype
        self._modules = modules
        self._entry = entry
        self._rotary = RotaryEmbedding(architecture) if architecture.positions == "rotary" else None
        self._windows = frozenset(architecture.windows[layers.first : layers.end])

    def cache_pool(self, budget_bytes: int) -> TorchCachePool:
        return TorchCachePool(self.architecture, len(self.layers), self.dtype, budget_bytes)

    def embed(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        assert self._entry is not None
        embedded = F.embedding(torch.tensor(token_ids), self._entry.embedding)
        scale = self.architecture.embedding_scale
        return embedded if scale == 1 else embedded * torch.tensor(scale, dtype=self.dtype)

    @torch.inference_mode()
    def forward(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        assert hidden.shape[0] == sum(span.rows for span in spans)
        hidden = self._first_layer_input(hidden, spans)
        batch = Batch(self.architecture, self._rotary, spans, self._windows)
        for module in self._modules:
            hidden = module.forward(hidden, batch)
        return hidden

    @torch.inference_mode()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        assert self._entry is not None
        scores = F.linear(self._entry.norm(hidden.to(self.dtype)), self._entry.head)
        cap = self.architecture.logit_cap
        return (torch.tanh(scores / cap) * cap if cap else scores).float()

    def _first_layer_input(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        """The rows in the shard's precision, with learned positions added, if any."""
        hidden = hidden.to(self.dtype)
        if self._entry is None or self._entry.positions is None:
            return hidden
        positions = [self._entry.positions[span.first : span.end] for span in spans]
        return hidden + torch.cat(positions)
