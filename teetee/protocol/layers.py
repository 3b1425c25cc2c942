# SPDX-License-Identifier: Apache-2.0
"""Half-open ranges of a model's layers."""

from dataclasses import dataclass

from teetee.errors import FieldInvalid

MAX_LAYERS = 0xFFFF
"""Layer numbers are `uint16` on chain."""


@dataclass(frozen=True, order=True, slots=True)
class LayerRange:
    """The layers `first, first + 1, … end - 1`; never empty.

    Raises `FieldInvalid` when the bounds are not `0 <= first < end <= 65535`.
    """

    first: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.end <= MAX_LAYERS:
            raise FieldInvalid(
                "layers", f"must satisfy 0 <= first < end <= {MAX_LAYERS}, not {self}"
            )

    def __len__(self) -> int:
        return self.end - self.first

    def __contains__(self, layer: object) -> bool:
        return isinstance(layer, int) and self.first <= layer < self.end

    def __str__(self) -> str:
        """As options and settings write it: `0-8` are the layers 0 to 7."""
        return f"{self.first}-{self.end}"

    @property
    def indices(self) -> range:
        """The layer numbers, in order."""
        return range(self.first, self.end)
