# SPDX-License-Identifier: Apache-2.0
"""The rotary position embedding of torch layers: tables of cosines and sines, and the rotation."""

from collections.abc import Sequence

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.rope_frequencies import rope_frequencies, rope_periods

CosSin = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines, (R, 1, D/2) float32 each, where D is the rotating part of a head."""

Positions = tuple[int, int, int]
"""First position, end, and the run's capacity in positions."""

_MIN_GROWTH = 512
"""The minimum number of positions by which a table grows."""


class RotaryEmbedding:
    """Cosines and sines for rows at any positions. Not thread-safe.

    With longrope, a run whose capacity exceeds the original context uses the long factors from its
    first position on, any other run the short ones. So cached keys never have to be rotated again.
    (transformers recomputes them when an answer crosses the original context.)
    """

    def __init__(self, architecture: Architecture) -> None:
        scaling, max_positions = architecture.rope_scaling, architecture.context_length
        amplitude = scaling.attention_factor
        self._original = scaling.original_context_length if scaling.long_factors else None
        self._has_local = bool(architecture.local_rope_theta)
        self._default = _CosSinTable(rope_frequencies(architecture), amplitude, max_positions)
        self._long = self._local = self._default
        if scaling.long_factors:
            long_frequencies = rope_frequencies(architecture, beyond_original_context=True)
            self._long = _CosSinTable(long_frequencies, amplitude, max_positions)
        if self._has_local:
            periods = rope_periods(architecture.rotating_size, architecture.local_rope_theta)
            self._local = _CosSinTable(1.0 / periods, 1.0, max_positions)

    def is_local(self, window: int) -> bool:
        """Whether layers with that window use frequencies of their own."""
        return self._has_local and window > 0

    def cos_sin(self, spans: Sequence[Positions], *, local: bool) -> CosSin:
        """The table rows for the rows of several spans, concatenated."""
        rows = [
            (self._local if local else self._table_for(capacity)).rows(first, end)
            for first, end, capacity in spans
        ]
        if len(rows) == 1:
            return rows[0]
        return torch.cat([cosines for cosines, _ in rows]), torch.cat([sines for _, sines in rows])

    def _table_for(self, capacity: int) -> "_CosSinTable":
        is_long = self._original is not None and capacity > self._original
        return self._long if is_long else self._default


class _CosSinTable:
    """Cosines and sines for positions from 0, computed on first use."""

    def __init__(self, frequencies: torch.Tensor, amplitude: float, max_positions: int) -> None:
        self._frequencies = frequencies  # (D/2,)
        self._amplitude = amplitude
        self._max_positions = max_positions
        self._cosines = self._sines = torch.empty(0, frequencies.shape[0])

    def rows(self, first: int, end: int) -> CosSin:
        """The rows of positions `[first, end)`."""
        if end > self._cosines.shape[0]:
            grown = max(end, 2 * self._cosines.shape[0], _MIN_GROWTH)
            self._grow(min(grown, max(end, self._max_positions)))
        return self._cosines[first:end, None], self._sines[first:end, None]

    def _grow(self, positions: int) -> None:
        angles = torch.outer(torch.arange(positions).float(), self._frequencies)  # (P, D/2)
        self._cosines = angles.cos() * self._amplitude
        self._sines = angles.sin() * self._amplitude


def apply_rotary(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Rotates the first half of each head's rotating part against its second half.

    x: (R, heads, D); cosines, sines: (R, 1, rotating/2). Dimensions beyond the rotating part keep
    their values.
    """
    half = cosines.shape[-1]
    first, second, unrotated = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    rotated = (first * cosines - second * sines, second * cosines + first * sines)
    return torch.cat((*rotated, unrotated) if unrotated.shape[-1] else rotated, dim=-1)
