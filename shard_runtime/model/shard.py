"""A slice of a model in memory, and what can be computed with it. Pure: no links, no runs, no
clocks.
"""

import torch
import torch.nn.functional as F

from shard_runtime.cache import CachePool, KvCache
from shard_runtime.model.architecture import Architecture
from shard_runtime.model.decoder_layer import DecoderLayer, Span, attention_mask, rms_norm
from shard_runtime.model.rope import RotaryTable
from teetee.layers import LayerRange


class EntryWeights:
    """What an entry holds beyond its layers."""

    def __init__(self, embedding: torch.Tensor, norm: torch.Tensor, head: torch.Tensor) -> None:
        self.embedding = embedding  # (V, H)
        self.norm = norm  # (H,)
        self.head = head  # (V, H); the embedding itself where it is tied


class Shard:
    """Layers `[first, end)`, with embedding and head if it is an entry. Not for several threads at
    once.
    """

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
        self.architecture = architecture
        self.layers = layers
        self.slice_digest = slice_digest
        self.dtype = dtype
        self._modules = modules
        self._entry = entry
        self._rotary = RotaryTable(architecture)
        self._windows = frozenset(architecture.windows[layers.first : layers.end])

    def __repr__(self) -> str:
        return f"Shard({self.architecture.name}, {self.layers}, entry={self.is_entry})"

    @property
    def is_entry(self) -> bool:
        return self._entry is not None

    def cache_pool(self, budget: int) -> CachePool:
        """Room for this shard's keys and values, at most `budget` bytes."""
        return CachePool(self.architecture, len(self.layers), self.dtype, budget)

    def embed(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        """(T,) → (T, H). Entries only."""
        assert self._entry is not None
        return F.embedding(torch.tensor(token_ids), self._entry.embedding)

    @torch.inference_mode()
    def forward(self, hidden: torch.Tensor, cache: KvCache, first: int) -> torch.Tensor:
        """Rows at positions `[first, first + T)` through all layers: (T, H) → (T, H).

        The cache holds everything before `first` and must have room for the rows.
        """
        T = hidden.shape[0]
        cosines, sines = self._rotary.rows(first, first + T)
        copies = self.architecture.head_count // self.architecture.kv_head_count
        masks = {window: attention_mask(first, T, window, copies) for window in self._windows}
        span = Span(first, cosines, sines, masks)
        hidden = hidden.to(self.dtype)
        for module in self._modules:
            hidden = module.forward(hidden, cache, span)
        return hidden

    @torch.inference_mode()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The last row's scores: (H,) → (V,) float32. Entries only."""
        assert self._entry is not None
        normed = rms_norm(hidden.to(self.dtype), self._entry.norm, self.architecture.norm_epsilon)
        return F.linear(normed, self._entry.head).float()
