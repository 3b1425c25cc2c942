# SPDX-License-Identifier: Apache-2.0
"""A slice of a model in memory, and what can be computed with it. Pure: no links, no runs, no
clocks.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.batch import Span
from shard_runtime.backends.kv_cache import Room, RunCache
from teetee.protocol.layers import LayerRange


class Shard(ABC):
    """Layers `[first, end)`, with embedding and head if it is an entry; by torch or in C++. Not for
    several threads at once.
    """

    def __init__(
        self,
        *,
        architecture: Architecture,
        layers: LayerRange,
        is_entry: bool,
        slice_digest: bytes,
    ) -> None:
        self.architecture = architecture
        self.layers = layers
        self.is_entry = is_entry
        self.slice_digest = slice_digest

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.architecture.name}, {self.layers}, entry={self.is_entry})"
        )

    @abstractmethod
    def cache_pool(self, budget: int) -> Room:
        """Room for this shard's keys and values, at most `budget` bytes."""

    @abstractmethod
    def embed(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        """(R,) → (R, H), before positions. Entries only."""

    @abstractmethod
    def forward(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        """Rows of one or several runs through all layers: (R, H) → (R, H).

        spans: whose rows they are, in their order; no run twice. An entry's rows are embedded
        tokens. The spans' caches hold the rows' keys and values afterwards.
        """

    def advance(self, rows: torch.Tensor, spans: Sequence[Span]) -> None:
        """`forward` in place; rows: (R, H) float32 on the CPU, whole in memory."""
        rows.copy_(self.forward(rows, spans))

    def ready(self, spans: Sequence[Span]) -> Sequence[Span]:
        """The same, as `forward` takes them fastest: for who knows them before the rows."""
        return spans

    def rehearse(self) -> None:  # noqa: B027 - most have none
        """Walk over the way to the kernels, if it is a long one, and compute nothing."""

    @abstractmethod
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: (…, H) → (…, V) float32. Entries only."""

    def forward_one(self, hidden: torch.Tensor, cache: RunCache, first: int) -> torch.Tensor:
        """`forward` of one run's rows, which stand at `first` and after."""
        return self.forward(hidden, [Span(cache, first, hidden.shape[0])])
