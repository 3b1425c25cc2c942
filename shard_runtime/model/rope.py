"""Rotary position embedding: frequencies with every scaling we know, and their cosines and sines by
position.

The order of float32 operations is that of the models' reference implementations: at position 8,000
another rounding of a frequency is an angle off in the third digit.
"""

import math

import torch

from shard_runtime.model.architecture import Architecture, RopeScaling

_GROWTH = 512
"""Positions that the table grows by at least."""


class RotaryTable:
    """Cosines and sines for positions from 0, computed when first asked for. Not for several
    threads at once.
    """

    def __init__(self, architecture: Architecture) -> None:
        self._frequencies = frequencies(architecture)  # (D/2,)
        self._amplitude = architecture.rope_scaling.attention_factor
        self._longest = architecture.context_length
        self._cosines = self._sines = torch.empty(0, self._frequencies.shape[0])

    def rows(self, first: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines of `[first, end)`, (T, 1, D/2) float32 each."""
        if end > self._cosines.shape[0]:
            self._grow(min(max(end, 2 * self._cosines.shape[0], _GROWTH), max(end, self._longest)))
        return self._cosines[first:end, None], self._sines[first:end, None]

    def _grow(self, positions: int) -> None:
        angles = torch.outer(torch.arange(positions).float(), self._frequencies)  # (P, D/2)
        self._cosines = angles.cos() * self._amplitude
        self._sines = angles.sin() * self._amplitude


def rotate(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Rotate each head's first half against its second: x (T, heads, D), tables (T, 1, D/2)."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosines - second * sines, second * cosines + first * sines), dim=-1)


def frequencies(architecture: Architecture) -> torch.Tensor:
    """(D/2,) float32, radians per position."""
    size, theta = architecture.head_size, architecture.rope_theta
    exponents = torch.arange(0, size, 2, dtype=torch.int64).float() / size
    plain: torch.Tensor = 1.0 / (theta**exponents)
    scaling = architecture.rope_scaling
    if scaling.kind == "linear":
        return plain / scaling.factor
    if scaling.kind == "factors":
        return plain / torch.tensor(scaling.factors)
    if scaling.kind == "llama3":
        return _llama3(plain, scaling)
    if scaling.kind == "yarn":
        return _yarn(theta**exponents, scaling, size, theta)
    return plain


def _llama3(plain: torch.Tensor, scaling: RopeScaling) -> torch.Tensor:
    """Long waves are stretched, short ones are not, between them it goes over smoothly."""
    waves = 2 * math.pi / plain
    context, factor = scaling.original_context_length, scaling.factor
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    stretched = torch.where(waves > context / low, plain / factor, plain)
    share = (context / waves - low) / (high - low)
    between = (1 - share) * stretched / factor + share * stretched
    medium = (waves >= context / high) & (waves <= context / low)
    return torch.where(medium, between, stretched)


def _yarn(periods: torch.Tensor, scaling: RopeScaling, size: int, theta: float) -> torch.Tensor:
    """As llama3, but the transition is a ramp over the dimensions (arXiv 2309.00071)."""

    def dimension_turning(turns: float) -> float:
        ratio = scaling.original_context_length / (turns * 2 * math.pi)
        return size * math.log(ratio) / (2 * math.log(theta))

    low, high = dimension_turning(scaling.beta_fast), dimension_turning(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, size - 1)
    width = high - low if high != low else 0.001
    ramp = ((torch.arange(size // 2, dtype=torch.float32) - low) / width).clamp(0, 1)
    kept = 1 - ramp
    return 1.0 / (scaling.factor * periods) * (1 - kept) + 1.0 / periods * kept
