# SPDX-License-Identifier: Apache-2.0
"""Frequencies of the rotary position embedding (RoPE), with every scaling that models use.

The order of float32 operations follows the models' reference implementations: at position 8,000, a
frequency rounded differently gives an angle that differs in the third digit.
"""

import math

import torch

from shard_runtime.architecture import Architecture, RopeScaling


def rope_frequencies(
    architecture: Architecture, *, beyond_original_context: bool = False
) -> torch.Tensor:
    """(D/2,) float32, radians per position.

    beyond_original_context: longrope's frequencies for runs longer than the original context.
    """
    size, theta = architecture.rotating_size, architecture.rope_theta
    periods, scaling = rope_periods(size, theta), architecture.rope_scaling
    unscaled: torch.Tensor = 1.0 / periods
    if scaling.kind == "linear":
        return unscaled / scaling.factor
    if scaling.kind == "factors":
        return unscaled / torch.tensor(scaling.factors)
    if scaling.kind == "longrope":
        factors = scaling.long_factors if beyond_original_context else scaling.factors
        return 1.0 / (torch.tensor(factors) * periods)
    if scaling.kind == "llama3":
        return _llama3(unscaled, scaling)
    if scaling.kind == "yarn":
        return _yarn(periods, scaling, size, theta)
    return unscaled


def rope_periods(size: int, theta: float) -> torch.Tensor:
    """(D/2,) float32, positions per radian, without scaling."""
    exponents = torch.arange(0, size, 2, dtype=torch.int64).float() / size
    periods: torch.Tensor = theta**exponents
    return periods


def _llama3(unscaled: torch.Tensor, scaling: RopeScaling) -> torch.Tensor:
    """Stretches long wavelengths, keeps short ones, and interpolates between the two."""
    wavelengths = 2 * math.pi / unscaled
    context, factor = scaling.original_context_length, scaling.factor
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    stretched = torch.where(wavelengths > context / low, unscaled / factor, unscaled)
    share = (context / wavelengths - low) / (high - low)
    interpolated = (1 - share) * stretched / factor + share * stretched
    is_medium = (wavelengths >= context / high) & (wavelengths <= context / low)
    return torch.where(is_medium, interpolated, stretched)


def _yarn(periods: torch.Tensor, scaling: RopeScaling, size: int, theta: float) -> torch.Tensor:
    """Like llama3, with a linear ramp over the dimensions as the transition (arXiv 2309.00071)."""

    def dimension_with(rotations: float) -> float:
        ratio = scaling.original_context_length / (rotations * 2 * math.pi)
        return size * math.log(ratio) / (2 * math.log(theta))

    low, high = dimension_with(scaling.beta_fast), dimension_with(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, size - 1)
    width = high - low if high != low else 0.001
    ramp = ((torch.arange(size // 2, dtype=torch.float32) - low) / width).clamp(0, 1)
    unscaled_share = 1 - ramp
    return 1.0 / (scaling.factor * periods) * (1 - unscaled_share) + 1.0 / periods * unscaled_share
