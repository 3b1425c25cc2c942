# SPDX-License-Identifier: Apache-2.0
"""Where a tensor's rows go: undoes what a file's format did to their order, direction or value."""

import torch

from shard_runtime.model_files.tensors.tensor_places import Slot


class Placement:
    """Puts one tensor's rows into its slot's target, as they come."""

    def __init__(self, slot: Slot, target: torch.Tensor) -> None:
        self._slot = slot
        rows = target.view(-1, target.shape[-1]) if target.dim() > 1 else target[:, None]
        self._rows = rows  # (R, row length); a vector's numbers are rows of one
        self._order = _paired_order(slot) if slot.paired_heads else None

    def put(self, first: int, numbers: torch.Tensor) -> None:
        """Rows of the file from `first` on, (count, row length); a vector comes whole."""
        slot = self._slot
        if len(slot.shape) == 1:
            numbers = numbers.reshape(-1, 1)
        if slot.raised:
            numbers = numbers.float() - 1
        numbers, count = numbers.to(self._rows.dtype), numbers.shape[0]
        if slot.transposed:
            columns = self._rows[slot.first : slot.first + slot.shape[1]]
            columns[:, first : first + count] = numbers.T
        elif self._order is not None:
            self._rows[self._order[first : first + count]] = numbers
        elif slot.block:
            self._rows[_spread(slot, first, count)] = numbers
        else:
            self._rows[slot.first + first : slot.first + first + count] = numbers


def _spread(slot: Slot, first: int, count: int) -> torch.Tensor:
    """Target rows of a file's rows that come in blocks."""
    rows = torch.arange(first, first + count)
    return slot.first + rows // slot.block * slot.stride + rows % slot.block


def _paired_order(slot: Slot) -> torch.Tensor:
    """Target rows of a GGUF's reordered queries or keys: its pairs (j, j + D/2) lie side by side
    there.
    """
    rows = slot.shape[0]
    by_head = torch.arange(rows).view(slot.paired_heads, 2, -1)
    return slot.first + by_head.transpose(1, 2).reshape(rows)
