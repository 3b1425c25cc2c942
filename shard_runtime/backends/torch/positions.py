# SPDX-License-Identifier: Apache-2.0
"""Rotary positions: frequencies with every scaling we know; their cosines and sines by position.

The order of float32 operations is that of the models' reference implementations: at position 8,000
another rounding of a frequency is an angle off in the third digit.
"""

import math
from collections.abc import Sequence

import torch

from shard_runtime.architecture import Architecture, RopeScaling

Turns = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines, (R, 1, D/2) float32 each, where D is how much of a head rotates."""

Placed = tuple[int, int, int]
"""First position, end, and how many positions the run may come to have."""

_GROWTH = 512
"""Positions that a table grows by at least."""


class Rotation:
    """Turns for rows at any positions. Not for several threads at once.

    With longrope, a run that may reach beyond the original context is turned by the long factors
    from its first position on, another by the short ones: so no key in a cache ever has to be
    turned anew. (transformers starts over in the middle of an answer that crosses the border.)
    """

    def __init__(self, architecture: Architecture) -> None:
        scaling, longest = architecture.rope_scaling, architecture.context_length
        self._original = scaling.original_context_length if scaling.long_factors else None
        self._has_local = bool(architecture.local_rope_theta)
        self._plain = _Table(frequencies(architecture), scaling.attention_factor, longest)
        self._long = self._local = self._plain
        if scaling.long_factors:
            far = frequencies(architecture, far=True)
            self._long = _Table(far, scaling.attention_factor, longest)
        if self._has_local:
            own = 1.0 / _periods(architecture.rotating_size, architecture.local_rope_theta)
            self._local = _Table(own, 1.0, longest)

    def is_local(self, window: int) -> bool:
        """Whether layers with that window turn at a rate of their own."""
        return self._has_local and window > 0

    def turns(self, placed: Sequence[Placed], *, local: bool) -> Turns:
        """For the rows of several runs, one after the other."""
        rows = [
            (self._local if local else self._of(capacity)).rows(first, end)
            for first, end, capacity in placed
        ]
        if len(rows) == 1:
            return rows[0]
        return torch.cat([cosines for cosines, _ in rows]), torch.cat([sines for _, sines in rows])

    def _of(self, capacity: int) -> "_Table":
        far = self._original is not None and capacity > self._original
        return self._long if far else self._plain


class _Table:
    """Cosines and sines for positions from 0, computed when first asked for."""

    def __init__(self, rates: torch.Tensor, amplitude: float, longest: int) -> None:
        self._rates = rates  # (D/2,)
        self._amplitude = amplitude
        self._longest = longest
        self._cosines = self._sines = torch.empty(0, rates.shape[0])

    def rows(self, first: int, end: int) -> Turns:
        """Those of `[first, end)`."""
        if end > self._cosines.shape[0]:
            self._grow(min(max(end, 2 * self._cosines.shape[0], _GROWTH), max(end, self._longest)))
        return self._cosines[first:end, None], self._sines[first:end, None]

    def _grow(self, positions: int) -> None:
        angles = torch.outer(torch.arange(positions).float(), self._rates)  # (P, D/2)
        self._cosines = angles.cos() * self._amplitude
        self._sines = angles.sin() * self._amplitude


def rotate(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Turn the first half of each head's rotating part against its second half: x (R, heads, D),
    tables (R, 1, rotating/2). What does not rotate stays as it is.
    """
    half = cosines.shape[-1]
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    turned = (first * cosines - second * sines, second * cosines + first * sines)
    return torch.cat((*turned, rest) if rest.shape[-1] else turned, dim=-1)


def frequencies(architecture: Architecture, *, far: bool = False) -> torch.Tensor:
    """(D/2,) float32, radians per position. far: longrope's for beyond the original context."""
    size, theta = architecture.rotating_size, architecture.rope_theta
    periods, scaling = _periods(size, theta), architecture.rope_scaling
    plain: torch.Tensor = 1.0 / periods
    if scaling.kind == "linear":
        return plain / scaling.factor
    if scaling.kind == "factors":
        return plain / torch.tensor(scaling.factors)
    if scaling.kind == "longrope":
        return 1.0 / (torch.tensor(scaling.long_factors if far else scaling.factors) * periods)
    if scaling.kind == "llama3":
        return _llama3(plain, scaling)
    if scaling.kind == "yarn":
        return _yarn(periods, scaling, size, theta)
    return plain


def _periods(size: int, theta: float) -> torch.Tensor:
    """(D/2,), positions per radian."""
    exponents = torch.arange(0, size, 2, dtype=torch.int64).float() / size
    periods: torch.Tensor = theta**exponents
    return periods


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
