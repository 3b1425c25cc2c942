# SPDX-License-Identifier: Apache-2.0
"""How weights are packed and KV caches are stored: the constants of source/layout.h."""

from enum import IntEnum

LANES = 16
"""Numbers that the kernels compute together; the values of a position are padded to it."""
POSITIONS = LANES
"""Positions whose keys are stored together."""
PANEL = 2 * LANES
"""Outputs stored together."""
INT8_GROUP = 32
"""Inputs of an int8 output that share a scale."""
INT8_SCALE_BYTES = 2
"""A scale is a float16."""
INT8_GROUP_BYTES = INT8_GROUP + INT8_SCALE_BYTES
"""Bytes of a group with its scale."""


class Precision(IntEnum):
    """The format of weights. Caches follow: float16 for int8 weights, float32 for float32."""

    FLOAT32 = 0
    INT8 = 1

    @property
    def cache_item_bytes(self) -> int:
        """Bytes per number in a cache."""
        return 2 if self is Precision.INT8 else 4


def round_up(number: int, multiple: int) -> int:
    """The smallest multiple that is at least `number`."""
    return -(-number // multiple) * multiple
