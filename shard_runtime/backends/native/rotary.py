# SPDX-License-Identifier: Apache-2.0
"""A growing table of cosines and sines by position, which the kernels read at its address.

Each entry depends only on its position, no matter how the table grew. That rules out a vector
library: its cosine may differ between the middle and the end of an array.
"""

import torch

from shard_runtime.architecture import Architecture
from shard_runtime.backends.native.shared_library import load_library
from shard_runtime.backends.rope_frequencies import rope_frequencies

_MIN_GROWTH = 512
"""The minimum number of positions by which the table grows."""


class RotaryTable:
    """The table for one model. Grown only by the thread that computes."""

    def __init__(self, architecture: Architecture) -> None:
        self._frequencies = rope_frequencies(architecture).contiguous()  # (D/2,)
        self._amplitude = architecture.rope_scaling.attention_factor
        self._cosines = self._sines = torch.empty(0, len(self._frequencies))

    def addresses(self, end: int) -> tuple[int, int, int]:
        """The addresses of the cosines and the sines, and their positions: at least `end`."""
        if end > len(self._cosines):
            self._grow(max(end, 2 * len(self._cosines), _MIN_GROWTH))
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
