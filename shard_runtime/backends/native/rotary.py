# SPDX-License-Identifier: Apache-2.0
"""Cosines and sines by position, as one growing table whose address the kernels get.

Frequencies are model/positions.py's. Each entry depends on its position alone, however the table
grew: a vector library's cosine may differ between the middle and the end of an array, so it is not
used.
"""

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.native.shared_library import load_library
from shard_runtime.backends.torch.positions import frequencies

_GROWTH = 512
"""Positions that the table grows by at least."""


class RotaryRows:
    """Grown by the thread that computes, and no other."""

    def __init__(self, architecture: Architecture) -> None:
        self._frequencies = frequencies(architecture).contiguous()  # (D/2,)
        self._amplitude = architecture.rope_scaling.attention_factor
        self._cosines = self._sines = torch.empty(0, len(self._frequencies))

    def addresses(self, end: int) -> tuple[int, int, int]:
        """Of the cosines and of the sines of positions up to `end` at least, and how many."""
        if end > len(self._cosines):
            self._grow(max(end, 2 * len(self._cosines), _GROWTH))
        return self._cosines.data_ptr(), self._sines.data_ptr(), len(self._cosines)

    def _grow(self, positions: int) -> None:
        half = len(self._frequencies)
        cosines, sines = torch.empty(positions, half), torch.empty(positions, half)
        load_library().calls.teetee_rotary(
            self._frequencies.data_ptr(),
            half,
            0,
            positions,
            self._amplitude,
            cosines.data_ptr(),
            sines.data_ptr(),
        )
        self._cosines, self._sines = cosines, sines
