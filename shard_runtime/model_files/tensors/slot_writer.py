# SPDX-License-Identifier: Apache-2.0
"""Copies a stored tensor's rows into memory, undoing the format's reordering, transposition or
offset.
"""

import torch

from shard_runtime.model_files.tensors.tensor_layout import Slot


class SlotWriter:
    """Writes one stored tensor's rows into its slot, piece by piece."""

    def __init__(self, slot: Slot, target: torch.Tensor) -> None:
        self._slot = slot
        rows = target.view(-1, target.shape[-1]) if target.dim() > 1 else target[:, None]
        self._rows = rows  # (R, row length); each number of a vector is a row of one
        self._order = _unpermuted_rows(slot) if slot.permuted_heads else None

    def write_rows(self, first: int, numbers: torch.Tensor) -> None:
        """Writes rows from `first` on, (count, row length). A vector arrives in one call."""
        slot = self._slot
        if len(slot.shape) == 1:
            numbers = numbers.reshape(-1, 1)
        if slot.stored_plus_one:
            numbers = numbers.float() - 1
        numbers, count = numbers.to(self._rows.dtype), numbers.shape[0]
        if slot.transposed:
            columns = self._rows[slot.first_row : slot.first_row + slot.shape[1]]
            columns[:, first : first + count] = numbers.T
        elif self._order is not None:
            self._rows[self._order[first : first + count]] = numbers
        elif slot.block_rows:
            self._rows[_block_target_rows(slot, first, count)] = numbers
        else:
            begin = slot.first_row + first
            self._rows[begin : begin + count] = numbers


def _block_target_rows(slot: Slot, first: int, count: int) -> torch.Tensor:
    """The target rows of `count` stored rows that come in blocks."""
    rows = torch.arange(first, first + count)
    return slot.first_row + rows // slot.block_rows * slot.block_stride + rows % slot.block_rows


def _unpermuted_rows(slot: Slot) -> torch.Tensor:
    """The target rows of GGUF's permuted queries or keys, which store each rotary pair (j, j + D/2)
    side by side.
    """
    rows = slot.shape[0]
    by_head = torch.arange(rows).view(slot.permuted_heads, 2, -1)
    return slot.first_row + by_head.transpose(1, 2).reshape(rows)
