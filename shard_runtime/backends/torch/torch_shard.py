# SPDX-License-Identifier: Apache-2.0
"""A shard that computes with torch. Any model, any precision of torch's."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F

from shard_runtime.architecture import Architecture
from shard_runtime.backends.batch import Batch, Span
from shard_runtime.backends.kv_cache import CachePool
from shard_runtime.backends.shard import Shard
from shard_runtime.backends.torch.decoder_layer import DecoderLayer
from shard_runtime.backends.torch.norms import need_norm
from shard_runtime.backends.torch.positions import Rotation
from teetee.protocol.layers import LayerRange


class EntryWeights:
    """What an entry holds beyond its layers."""

    def __init__(self, architecture: Architecture, tensors: Mapping[str, torch.Tensor]) -> None:
        self.embedding = tensors["embedding"]  # (V, H)
        self.positions = tensors.get("positions")  # (context, H), where they are learned
        self.norm = need_norm(architecture, tensors, "final_norm")
        self.head = tensors.get("head", self.embedding)  # (V, H); itself where it is tied


class TorchShard(Shard):
    """Layers out of torch tensors."""

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
        self._rotation = Rotation(architecture) if architecture.positions == "rotary" else None
        self._windows = frozenset(architecture.windows[layers.first : layers.end])

    def cache_pool(self, budget: int) -> CachePool:
        """Room for this shard's keys and values, at most `budget` bytes."""
        return CachePool(self.architecture, len(self.layers), self.dtype, budget)

    def embed(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        """(R,) → (R, H), before positions. Entries only."""
        assert self._entry is not None
        embedded = F.embedding(torch.tensor(token_ids), self._entry.embedding)
        scale = self.architecture.embedding_scale
        return embedded if scale == 1 else embedded * torch.tensor(scale, dtype=self.dtype)

    @torch.inference_mode()
    def forward(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        """Rows of one or several runs through all layers: (R, H) → (R, H).

        spans: whose rows they are, in their order; no run twice. An entry's rows are embedded
        tokens. The spans' caches hold the rows' keys and values afterwards.
        """
        assert hidden.shape[0] == sum(span.rows for span in spans)
        return self._through(self._enter(hidden, spans), spans)

    @torch.inference_mode()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: (…, H) → (…, V) float32. Entries only."""
        assert self._entry is not None
        scores = F.linear(self._entry.norm(hidden.to(self.dtype)), self._entry.head)
        cap = self.architecture.logit_cap
        return (torch.tanh(scores / cap) * cap if cap else scores).float()

    def _enter(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        """As the first layer takes rows: in our precision, and with learned positions, if any."""
        hidden = hidden.to(self.dtype)
        if self._entry is None or self._entry.positions is None:
            return hidden
        positions = [self._entry.positions[span.first : span.end] for span in spans]
        return hidden + torch.cat(positions)

    def _through(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        batch = Batch(self.architecture, self._rotation, spans, self._windows)
        for module in self._modules:
            hidden = module.forward(hidden, batch)
        return hidden
