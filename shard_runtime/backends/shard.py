# SPDX-License-Identifier: Apache-2.0
"""A slice of a model in memory and its forward pass. Pure: knows no links, no runs, no clock."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.kv_cache import CachePool, RunCache
from teetee.protocol.layers import LayerRange


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive rows of one run: positions `[first, first + rows)`.

    The cache holds every position before `first` and has capacity for the rows.
    """

    cache: RunCache
    first: int
    rows: int

    @property
    def end(self) -> int:
        """The position after the last row."""
        return self.first + self.rows


class Shard(ABC):
    """Layers `[first, end)`, with embedding and head if it is an entry. Not thread-safe."""

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
    def cache_pool(self, budget_bytes: int) -> CachePool:
        """A pool for this shard's KV caches, of at most `budget_bytes`."""

    @abstractmethod
    def embed(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        """(R,) → (R, H), before positions. Entries only."""

    @abstractmethod
    def forward(self, hidden: torch.Tensor, spans: Sequence[Span]) -> torch.Tensor:
        """Passes rows of one or several runs through all layers: (R, H) → (R, H).

        spans: the runs of the rows, in order; each run at most once. An entry's rows are embedded
        tokens. Afterwards the spans' caches hold the rows' keys and values.
        """

    def forward_in_place(self, rows: torch.Tensor, spans: Sequence[Span]) -> None:
        """`forward` into `rows` itself: (R, H) float32 on the CPU, contiguous."""
        rows.copy_(self.forward(rows, spans))

    def prepare_spans(self, spans: Sequence[Span]) -> Sequence[Span]:
        """The same spans in the form that `forward` processes fastest, made before rows arrive."""
        return spans

    def warm_caches(self) -> None:  # noqa: B027 - optional
        """Brings the code on the way to the kernels into the CPU's caches; computes nothing."""

    @abstractmethod
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: (…, H) → (…, V) float32. Entries only."""
